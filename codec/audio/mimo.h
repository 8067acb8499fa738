#pragma once

#include <memory>

#include "codec/checkpoint/checkpoint.h"
#include "codec/codec.h"

namespace tessera {

/// The MiMo-Audio-Tokenizer family (Xiaomi, arXiv 2512.23808), in float32: log-mel, convolutions, transformer, residual
/// quantizer; transformer, vocoder, inverse STFT.
///
/// As the official host does, the mel spectrogram of a whole file is cut into segments of 6000 frames, each encoded
/// alone, and codes are decoded in segments of 1500 frames. A causal member streams instead. It says so by keys that
/// the public configuration does not have:
///   "mel_padding": "causal"            frames end at their last sample; the wave is padded to a whole token
///   "conv_padding": "causal"           conv1 and conv2 have kernel - stride zeros in front
///   "decoder_norm_type": "LayerNorm"   the norms of the transposed convolutions see one frame each
/// with attention windows that are bounded to the left and do not look ahead.
[[nodiscard]] std::unique_ptr<AudioCodec> load_mimo(Context& context, const Config& config, Checkpoint& checkpoint);

}  // namespace tessera
