#pragma once

#include <cstdint>

#include "kernels/arithmetic.h"
#include "kernels/tensor.h"

namespace tessera {

/// finite_scalar_codes() of a row: one source for the CPU and the GPU.
struct FiniteScalarJob {
  ConstMatrix x;
  const float* table;
  const std::int32_t* weights;
  std::int32_t* codes;

  [[nodiscard]] TESSERA_HOST_DEVICE std::int32_t digit(float value, std::int64_t c) const {
    const std::int64_t n = x.columns;
    const float levels = table[3 * n + c];
    const float q = scalar::tanh<scalar::Lanes>(value + table[c]) * table[n + c] - table[2 * n + c];
    const float half = static_cast<float>(static_cast<std::int32_t>(levels) / 2);
    // Adding 1.5 * 2^23 leaves no bits behind the point: half to even.
    const float digit = (q + 12582912.0F) - 12582912.0F + half;
    return digit >= 0.0F ? static_cast<std::int32_t>(digit < levels ? digit : levels - 1.0F) : 0;
  }
  TESSERA_HOST_DEVICE void run(std::int64_t row) const {
    std::int32_t code = 0;
    for (std::int64_t c = 0; c < x.columns; ++c) code += digit(x.data[row * x.row_step + c], c) * weights[c];
    codes[row] = code;
  }
};

/// sign_codes() of a row.
struct SignJob {
  ConstMatrix x;
  bool first_is_lowest;
  std::int32_t* codes;

  TESSERA_HOST_DEVICE void run(std::int64_t row) const {
    std::int32_t code = 0;
    for (std::int64_t c = 0; c < x.columns; ++c) {
      const std::int64_t bit = first_is_lowest ? c : x.columns - 1 - c;
      if (x.data[row * x.row_step + c] > 0.0F) code |= std::int32_t{1} << bit;
    }
    codes[row] = code;
  }
};

}  // namespace tessera
