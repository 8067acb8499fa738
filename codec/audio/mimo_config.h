#pragma once

#include <vector>

#include "codec/checkpoint/checkpoint.h"
#include "codec/layers/mel.h"
#include "codec/layers/synthesis.h"
#include "codec/layers/transformer.h"

namespace tessera {

/// Every size of a MiMo-Audio-Tokenizer checkpoint, as its config.json gives it.
struct MimoShape {
  MelShape mel;
  TransformerShape encoder;
  TransformerShape decoder;
  TransformerShape vocoder;
  SynthesisShape synthesis;
  std::int64_t kernel = 0;  ///< conv1 and conv2
  std::int64_t stride = 0;  ///< conv2
  std::int64_t pool = 0;    ///< frames of the encoder in one token
  std::int64_t decoder_kernel = 0;
  std::int64_t decoder_stride = 0;
  std::vector<int> codebook_sizes;
  bool causal_convs = false;
  bool frame_norm = false;  ///< LayerNorm instead of GroupNorm after the transposed convolutions

  [[nodiscard]] std::int64_t mel_frames_per_token() const noexcept { return stride * pool; }
  /// Samples a token.
  [[nodiscard]] std::int64_t hop() const noexcept { return mel.hop * mel_frames_per_token(); }
  [[nodiscard]] bool encoder_streams() const noexcept { return mel.causal && causal_convs && encoder.streams(); }
  [[nodiscard]] bool decoder_streams() const noexcept { return frame_norm && decoder.streams() && vocoder.streams(); }
};

/// Throws CheckpointError that names the key.
[[nodiscard]] MimoShape read_mimo_shape(const Config& config);

/// Tensor names of one layer.
[[nodiscard]] TransformerNames mimo_transformer_names();

}  // namespace tessera
