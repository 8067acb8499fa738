#pragma once

#include <vector>

#include "codec/audio/mimo_config.h"
#include "codec/layers/conv.h"

namespace tessera {

/// A transposed convolution and its norm. GroupNorm (one group) reduces over channels and all frames, the ones that are
/// cut off afterwards included, so it takes the whole sequence; LayerNorm takes a frame.
class NormedUpsampler {
 public:
  using State = ConvTransposeLayer::State;

  NormedUpsampler(Context& context, Checkpoint& checkpoint, const std::string& name, const ConvShape& shape,
                  bool frame_norm);
  [[nodiscard]] State start(Context& context) const { return conv_.start(context); }
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix x) const;

 private:
  ConvTransposeLayer conv_;
  Tensor weight_;
  Tensor bias_;
  bool frame_norm_;
};

/// Latent tokens to samples: upsampling, transformer, coarse mel, vocoder transformer, inverse STFT.
class MimoDecoder {
 public:
  struct State {
    NormedUpsampler::State up1;
    Transformer::State transformer;
    NormedUpsampler::State up2;
    Transformer::State vocoder;
    Synthesis::State synthesis;
  };

  MimoDecoder(Context& context, Checkpoint& checkpoint, const MimoShape& shape);

  [[nodiscard]] State start_stream(Context& context, std::int64_t tokens) const;
  [[nodiscard]] State start_whole(Context& context, std::int64_t tokens) const;
  [[nodiscard]] std::vector<float> push(Context& context, State& state, ConstMatrix tokens) const;
  [[nodiscard]] std::vector<float> finish(Context& context, State& state) const;

 private:
  [[nodiscard]] State start(Context& context, Transformer::State transformer, Transformer::State vocoder) const;

  MimoShape shape_;
  std::vector<NormedUpsampler> up1_;  // none or one
  Transformer transformer_;
  NormLayer norm_;
  NormedUpsampler up2_;
  LinearLayer embeddings_;
  Transformer vocoder_;
  NormLayer vocoder_norm_;
  Synthesis synthesis_;
};

}  // namespace tessera
