#pragma once

#include <optional>

#include "kernels/activation.h"
#include "kernels/snake.h"

namespace tessera {

/// A point function with its weights, if it has any.
class PointLayer {
 public:
  PointLayer() = default;
  PointLayer(Activation activation) : activation_(activation) {}  // NOLINT
  PointLayer(SnakeWeights snake) : snake_(std::move(snake)) {}    // NOLINT

  [[nodiscard]] bool identity() const noexcept { return !snake_ && activation_ == Activation::none; }
  /// In place allowed.
  void forward(Context& context, ConstMatrix x, Matrix out) const {
    snake_ ? snake(context, x, *snake_, out) : activate(context, activation_, x, out);
  }

 private:
  Activation activation_ = Activation::none;
  std::optional<SnakeWeights> snake_;
};

}  // namespace tessera
