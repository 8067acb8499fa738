#pragma once

#include <cstdint>

#include "kernels/tensor.h"

namespace tessera {

enum class Elementwise : std::uint8_t { add, multiply, scale, copy, fill };

struct ElementwiseJob {
  Elementwise operation;
  ConstMatrix a;
  ConstMatrix b;  // of add and multiply
  float factor;   // of scale; the value of fill
  Matrix out;
};

/// Of mean_frames and repeat_frames.
struct FramesJob {
  ConstMatrix x;
  std::int64_t factor;
  Matrix out;
};

}  // namespace tessera
