#pragma once

#include <cstdint>

#include "kernels/tensor.h"

namespace tessera {

/// What embedding_weighted_sum works on.
struct WeightedSumJob {
  ConstMatrix table;
  std::int64_t terms;
  const std::int32_t* ids;
  const float* weights;
  Matrix out;
};

}  // namespace tessera
