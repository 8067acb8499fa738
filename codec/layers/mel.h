#pragma once

#include <span>
#include <vector>

#include "kernels/spectrum.h"

namespace tessera {

struct MelShape {
  int sample_rate = 0;
  std::int64_t n_fft = 0;
  std::int64_t window = 0;
  std::int64_t hop = 0;
  std::int64_t bands = 0;
  double f_min = 0;
  double f_max = 0;
  /// reflect: frames centred on t * hop, the wave mirrored at both ends, 1 + L / hop frames for an even n_fft
  /// (torch.stft, center).
  /// causal: frame t ends at sample (t + 1) * hop, zeros in front; the caller pads to whole hops.
  bool causal = false;
};

/// Log-mel spectrogram: magnitude of the STFT, HTK mel bands, ln(max(x, 1e-7)).
class MelFrontEnd {
 public:
  /// What a stream remembers: samples from the first of the next frame on, and the last ones for the mirror.
  struct State {
    std::vector<float> pending;
    std::vector<float> recent;
    std::int64_t total = 0;
    bool started = false;
  };

  MelFrontEnd(Context& context, const MelShape& shape);

  [[nodiscard]] State start() const;
  /// Frames [n, bands] that the samples complete.
  [[nodiscard]] Tensor push(Context& context, State& state, std::span<const float> samples) const;
  /// The frames that reach beyond the end (none when causal). A wave too short to mirror is extended with zeros first.
  [[nodiscard]] Tensor finish(Context& context, State& state) const;

 private:
  [[nodiscard]] std::int64_t mirror() const noexcept { return shape_.causal ? 0 : shape_.n_fft / 2; }
  void begin(State& state) const;
  [[nodiscard]] Tensor frames(Context& context, State& state) const;

  MelShape shape_;
  PackedWeights basis_;
  PackedWeights bands_;
};

}  // namespace tessera
