#pragma once

#include <string>

#include "codec/layers/frame_gate.h"
#include "codec/layers/linear.h"
#include "kernels/attention.h"
#include "kernels/rotary.h"

namespace tessera {

/// x + attention(norm(x)) inside windows that follow one another and know nothing of each other (SNAC's LocalMHA):
/// heads of 64, rotary positions from 0 in each window, no biases.
class LocalAttention {
 public:
  struct State {
    FrameGate gate;
  };
  static constexpr int kHeadDim = 64;

  /// Reads `name`.norm, .to_qkv.weight and .to_out.weight. Throws CheckpointError unless 64 divides `width`.
  LocalAttention(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t width,
                 std::int64_t window);
  /// Frames of the windows that x completes.
  [[nodiscard]] Tensor forward(Context& context, State& state, Tensor x) const;
  [[nodiscard]] std::int64_t ready(std::int64_t frames) const noexcept { return frames / window_ * window_; }

 private:
  void attend_window(Context& context, KeyValueCache& cache, Matrix qkv, Matrix out) const;

  std::int64_t width_;
  std::int64_t window_;
  RotaryShape rotary_;
  NormLayer norm_;
  LinearLayer qkv_;
  LinearLayer out_;
  Tensor frequencies_;
};

}  // namespace tessera
