#pragma once

#include <cstdint>

#include "kernels/arithmetic.h"
#include "kernels/rotary.h"

namespace tessera {

struct RotaryJob {
  RotaryShape shape;
  const float* frequencies;
  std::int64_t first_position;
  Matrix x;
  float* work;  // on a CPU: sines and cosines, [rows, 2, rotary_dim]

  [[nodiscard]] TESSERA_HOST_DEVICE std::int64_t half() const { return shape.rotary_dim / 2; }
};

}  // namespace tessera
