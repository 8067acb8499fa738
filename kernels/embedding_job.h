#pragma once

#include <cstdint>

#include "kernels/tensor.h"

namespace tessera {

/// What embedding works on where a table is stored in 16 bits: rows [columns] one behind another.
struct NarrowTableJob {
  const std::uint16_t* table;
  DType type;  ///< f16 or bf16
  const std::int32_t* ids;
  Matrix out;
};

/// What embedding_weighted_sum works on.
struct WeightedSumJob {
  ConstMatrix table;
  std::int64_t terms;
  const std::int32_t* ids;
  const float* weights;
  Matrix out;
};

}  // namespace tessera
