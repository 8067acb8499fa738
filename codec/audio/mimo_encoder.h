#pragma once

#include <vector>

#include "codec/audio/mimo_config.h"
#include "codec/layers/conv.h"

namespace tessera {

/// Log-mel frames to latent tokens: two convolutions, transformer, pooling convolution.
class MimoEncoder {
 public:
  struct State {
    ConvLayer::State conv1;
    ConvLayer::State conv2;
    ConvLayer::State pool;
    Transformer::State transformer;
  };

  MimoEncoder(Context& context, Checkpoint& checkpoint, const MimoShape& shape);

  [[nodiscard]] const MelFrontEnd& mel() const noexcept { return mel_; }
  /// For chunks of at most `tokens` tokens.
  [[nodiscard]] State start_stream(Context& context, std::int64_t tokens) const;
  /// For one chunk of `frames` mel frames.
  [[nodiscard]] State start_whole(Context& context, std::int64_t frames) const;
  /// mel [frames, bands] to [tokens, width]; `last` pads the end as the reference does.
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix mel, bool last) const;

 private:
  [[nodiscard]] static State start(Transformer::State transformer);

  MimoShape shape_;
  MelFrontEnd mel_;
  ConvLayer conv1_;
  ConvLayer conv2_;
  Transformer transformer_;
  NormLayer norm_;
  std::vector<ConvLayer> pool_;  // none or one
  std::vector<NormLayer> pool_norm_;
};

}  // namespace tessera
