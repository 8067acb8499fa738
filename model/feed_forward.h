#pragma once

#include <string>

#include "codec/layers/linear.h"

namespace tessera {

/// Gated MLP: down(f(gate x) * up x), gate and up as one product.
class GatedMlp {
 public:
  /// Tensors `prefix`{gate,up,down}_proj.weight, and .bias when `bias`.
  GatedMlp(Context& context, Checkpoint& checkpoint, const std::string& prefix, std::int64_t hidden, std::int64_t width,
           Activation activation, bool bias);

  /// out [rows, hidden], plus `residual` unless that is empty (it may be `out`).
  void forward(Context& context, ConstMatrix x, ConstMatrix residual, Matrix out) const;

  /// Its parts, without biases, for experts that are computed together: `both` [rows, 2 * width] is gate x | up x, of which
  /// combine() returns the first half, made f(gate x) * up x in place.
  [[nodiscard]] const PackedWeights& gate_up() const noexcept { return gate_up_.weights(); }
  [[nodiscard]] Matrix combine(Context& context, Matrix both) const;
  [[nodiscard]] const PackedWeights& down() const noexcept { return down_.weights(); }

 private:
  std::int64_t width_;
  Activation activation_;
  LinearLayer gate_up_;
  LinearLayer down_;
};

}  // namespace tessera
