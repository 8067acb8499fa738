#pragma once

#include <memory>
#include <span>
#include <vector>

#include "codec/codec.h"

namespace tessera {

/// The number of levels to encode: all for 0. Throws ArgumentError for more than the codec has.
[[nodiscard]] int checked_levels(const AudioCodecInfo& info, int levels);

/// What a causal codec adds to the streams below: one chunk of whole frames through the network.
class ChunkEncoder {
 public:
  virtual ~ChunkEncoder() = default;
  /// `samples` is a multiple of the hop, at most the chunk.
  [[nodiscard]] virtual Codes encode(std::span<const float> samples) = 0;
};

class ChunkDecoder {
 public:
  virtual ~ChunkDecoder() = default;
  [[nodiscard]] virtual std::vector<float> decode(const Codes& codes) = 0;
  /// Samples held back until the end is known.
  [[nodiscard]] virtual std::vector<float> finish() { return {}; }
};

/// Cuts any input into chunks of whole frames; the end is padded with zeros to a whole frame.
class ChunkedEncodeStream final : public EncodeStream {
 public:
  ChunkedEncodeStream(Context& context, std::unique_ptr<ChunkEncoder> encoder, int levels, std::int64_t hop,
                      std::int64_t chunk_frames);
  [[nodiscard]] Codes push(std::span<const float> samples) override;
  [[nodiscard]] Codes finish() override;

 private:
  void encode_pending(Codes& codes);

  Context& context_;
  std::unique_ptr<ChunkEncoder> encoder_;
  int levels_;
  std::int64_t hop_;
  std::int64_t chunk_;
  std::int64_t total_ = 0;
  std::vector<float> pending_;
};

/// Checks the ids and cuts them into chunks.
class ChunkedDecodeStream final : public DecodeStream {
 public:
  ChunkedDecodeStream(Context& context, std::unique_ptr<ChunkDecoder> decoder, std::vector<int> codebook_sizes,
                      std::int64_t chunk_frames);
  [[nodiscard]] std::vector<float> push(const Codes& codes) override;
  [[nodiscard]] std::vector<float> finish() override;

 private:
  Context& context_;
  std::unique_ptr<ChunkDecoder> decoder_;
  std::vector<int> sizes_;
  std::int64_t chunk_;
  std::size_t levels_ = 0;
};

/// Frames [first, first + count) of every row.
[[nodiscard]] Codes slice_codes(const Codes& codes, std::int64_t first, std::int64_t count);
/// Appends the rows of `more` to those of `codes`.
void append_codes(Codes& codes, const Codes& more);

}  // namespace tessera
