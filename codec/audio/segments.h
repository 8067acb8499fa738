#pragma once

#include <functional>
#include <span>
#include <vector>

#include "codec/codec.h"

namespace tessera {

/// Segments as EnCodec cuts them: one begins every `stride` samples as long as there are samples, each `length` long or
/// as much of it as is left. Figures are samples per channel; everything in one segment when length is kWhole.
struct SegmentShape {
  std::int64_t length = kWhole;
  std::int64_t stride = kWhole;
  int channels = 1;
  std::int64_t hop = 1;
  bool normalize = false;  ///< each segment is divided by its level, which is kept as its scale

  static constexpr std::int64_t kWhole = std::int64_t{1} << 62;
};

/// The level of a segment: the root of the mean over time of the squared mean over channels, + 1e-8; sums in double.
[[nodiscard]] float segment_scale(std::span<const float> samples, int channels);

/// Codes of segments that know nothing of each other.
class SegmentEncodeStream final : public EncodeStream {
 public:
  using Encode = std::function<Codes(std::span<const float>)>;
  SegmentEncodeStream(Context& context, const SegmentShape& shape, int levels, Encode encode);
  [[nodiscard]] Codes push(std::span<const float> samples) override;
  [[nodiscard]] Codes finish() override;

 private:
  void encode_first(std::int64_t values, Codes& codes);

  Context& context_;
  SegmentShape shape_;
  int levels_;
  Encode encode_;
  std::vector<float> pending_;
  std::int64_t total_ = 0;
};

/// Decodes segments and adds them where they overlap, each weighted by a triangle over the first one's length, divided
/// by the weights (EnCodec's linear overlap-add).
class SegmentDecodeStream final : public DecodeStream {
 public:
  using Decode = std::function<std::vector<float>(const Codes&)>;
  SegmentDecodeStream(Context& context, const SegmentShape& shape, const AudioCodecInfo& info, Decode decode);
  /// Without `codes.chunks` every segment but the last is taken to be whole.
  [[nodiscard]] std::vector<float> push(const Codes& codes) override;
  [[nodiscard]] std::vector<float> finish() override;

 private:
  [[nodiscard]] bool whole() const noexcept { return shape_.length == SegmentShape::kWhole; }
  [[nodiscard]] std::vector<float> decode_chunks(const Codes& codes);
  [[nodiscard]] std::vector<std::int64_t> chunks_of(const Codes& codes) const;
  [[nodiscard]] float scale_of(const Codes& codes, std::size_t chunk) const;
  void add(const std::vector<float>& segment);
  [[nodiscard]] std::vector<float> take(std::int64_t samples);

  Context& context_;
  SegmentShape shape_;
  const AudioCodecInfo& info_;
  Decode decode_;
  Codes pending_;                // when the whole input is one segment
  std::vector<float> triangle_;  // of the first segment
  std::vector<float> sum_;       // from where the next segment begins
  std::vector<float> weight_;
  std::int64_t last_ = 0;  // samples of the last segment
};

}  // namespace tessera
