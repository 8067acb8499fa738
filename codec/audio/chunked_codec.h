#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "codec/audio/chunked_stream.h"
#include "codec/checkpoint/checkpoint.h"
#include "kernels/search.h"

namespace tessera {

/// What the families share: a description, and streams that are chunks through a network. A family fills `info_` and
/// says how its network is run.
class ChunkedCodec : public AudioCodec {
 public:
  [[nodiscard]] const AudioCodecInfo& info() const override { return info_; }
  [[nodiscard]] std::unique_ptr<EncodeStream> encode_stream(Context& context, int levels) const override;
  [[nodiscard]] std::unique_ptr<DecodeStream> decode_stream(Context& context) const override;

 protected:
  /// `pad_to`: samples that the end is padded to a multiple of; `chunk_frames`: frames of row 0 a chunk.
  ChunkedCodec(std::int64_t pad_to, std::int64_t chunk_frames) : pad_to_(pad_to), chunk_frames_(chunk_frames) {}
  [[nodiscard]] virtual std::unique_ptr<ChunkEncoder> start_encoder(Context& context, int levels) const = 0;
  [[nodiscard]] virtual std::unique_ptr<ChunkDecoder> start_decoder(Context& context) const = 0;
  /// `levels` codebooks of `size` entries.
  void describe_levels(int levels, std::int64_t size);

  AudioCodecInfo info_;

 private:
  std::int64_t pad_to_;
  std::int64_t chunk_frames_;
};

/// Samples as rows, a column a channel, on the device; and back.
[[nodiscard]] Tensor upload_samples(Context& context, std::span<const float> samples, std::int64_t channels);
[[nodiscard]] std::vector<float> download_samples(Context& context, const Tensor& wave);

/// Codebook tensors name(0), name(1), ... of [size, width], as many as `levels`.
[[nodiscard]] std::vector<Codebook> load_codebooks(Context& context, Checkpoint& checkpoint,
                                                   const std::function<std::string(int)>& name,
                                                   const std::vector<int>& sizes, std::int64_t width);
/// Marks what training keeps beside codebooks and windows as expected.
void ignore_training_state(Checkpoint& checkpoint);

}  // namespace tessera
