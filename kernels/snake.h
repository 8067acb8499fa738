#pragma once

#include <span>

#include "kernels/context.h"

namespace tessera {

/// The Snake activation, one frequency a channel: x + sin^2(alpha x) / alpha (Ziyin et al. 2020, arXiv 2006.08195),
/// with the 1e-9 of descript-audio-codec.
struct SnakeWeights {
  Tensor alpha;       ///< [channels]
  Tensor reciprocal;  ///< 1 / (alpha + 1e-9), both steps in float32, as PyTorch does it
};

[[nodiscard]] SnakeWeights make_snake(Context& context, std::span<const float> alpha);

/// out[t, c] = x[t, c] + reciprocal[c] * sin^2(alpha[c] * x[t, c]), each step rounded, the square of the sine from one
/// polynomial (square_sine of kernels/arithmetic.inc): it is within 1e-7 for products up to 2^20 and within 4e-6 up to
/// 2^22; larger ones, infinity too, are taken as 2^22. [time, channels] each, in place allowed. Throws ArgumentError
/// when shapes differ.
void snake(Context& context, ConstMatrix x, const SnakeWeights& weights, Matrix out);

}  // namespace tessera
