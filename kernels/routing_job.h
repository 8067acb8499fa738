#pragma once

#include <cstdint>

#include "kernels/routing.h"
#include "kernels/tensor.h"

namespace tessera {

/// What choose_experts works on. `work`: [tokens, 2 * (experts + groups)].
struct RoutingJob {
  Routing routing;
  ConstMatrix scores;
  const float* bias;
  std::int32_t* experts;
  float* weights;
  Matrix work;
};

}  // namespace tessera
