#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/tensor.h"

namespace tessera {

struct PackedWeights;

/// What expert_product works on. `sample`: any of the experts, whose shape and storage all have.
struct ExpertProductJob {
  ConstMatrix x;
  std::int64_t share;
  const PackedWeights* sample;
  const std::byte* const* table;
  std::int32_t experts;
  const std::int32_t* ids;
  Matrix out;
};

struct ExpertIdentityJob {
  ConstMatrix x;
  std::int64_t share;
  std::int32_t first;
  const std::int32_t* ids;
  Matrix out;
};

}  // namespace tessera
