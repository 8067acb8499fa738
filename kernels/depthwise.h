#pragma once

#include "kernels/product.h"

namespace tessera {

/// A convolution in which every channel has its own weights, and its transpose.
struct DepthwiseJob {
  ConstMatrix x;         ///< [frames, channels]
  const float* weights;  ///< [phases, taps, channels]
  std::int64_t phases;   ///< output rows per step: 1, or the stride of a transposed convolution
  std::int64_t taps;
  std::int64_t stride;
  std::int64_t dilation;
  const float* bias;  ///< [channels] or null
  Activation activation;
  Matrix out;  ///< [steps * phases, channels]
};

/// out[q * phases + p, c] = f(bias + chain over taps of x[q * stride + tap * dilation, c] * w[p, tap, c]), the chain
/// sliced as in every dot product. Throws ArgumentError when x is too short for out.
void depthwise(Context& context, const DepthwiseJob& job);

}  // namespace tessera
