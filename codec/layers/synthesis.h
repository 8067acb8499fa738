#pragma once

#include <vector>

#include "codec/layers/conv.h"
#include "codec/layers/linear.h"

namespace tessera {

/// The end of a vocoder: a linear layer to log-magnitude and phase, and an inverse STFT (Vocos, arXiv 2306.00814).
struct SynthesisShape {
  std::int64_t width = 0;
  std::int64_t n_fft = 0;
  std::int64_t hop = 0;
  /// same: (n_fft - hop)/2 samples cut at both ends, so hop samples a frame when n_fft - hop is even. center: n_fft/2
  /// cut (torch.istft).
  bool center = false;

  [[nodiscard]] std::int64_t trim() const noexcept { return center ? n_fft / 2 : (n_fft - hop) / 2; }
};

class Synthesis {
 public:
  struct State {
    ConvTransposeLayer::State overlap;
    std::int64_t frames = 0;  ///< taken
    std::int64_t added = 0;   ///< overlap-added samples made, trimmed ones included
  };

  /// Reads `name`.out.weight and .bias; the window is the periodic Hann window.
  Synthesis(Context& context, Checkpoint& checkpoint, const std::string& name, const SynthesisShape& shape);

  [[nodiscard]] State start(Context& context) const { return {overlap_.start(context), 0, 0}; }
  /// Samples that no later frame reaches.
  [[nodiscard]] std::vector<float> push(Context& context, State& state, ConstMatrix x) const;
  /// The rest.
  [[nodiscard]] std::vector<float> finish(Context& context, State& state) const;

 private:
  [[nodiscard]] std::vector<float> normalise(Context& context, State& state, const Tensor& added, std::int64_t end,
                                             std::int64_t frames) const;

  SynthesisShape shape_;
  std::vector<float> window_;
  LinearLayer out_;
  ConvTransposeLayer overlap_;
};

}  // namespace tessera
