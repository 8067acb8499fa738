#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/context.h"

// The builds of one CPU kernel, indexed by instruction set. `function` lives in tessera::HWY_NAMESPACE and was compiled
// once for each by hwy/foreach_target.h.
#if defined(__x86_64__) && !defined(TESSERA_SANITIZED)
#define TESSERA_BUILDS(function) \
  std::array { &N_AVX2::function, &N_AVX3::function }
#else
#define TESSERA_BUILDS(function) \
  std::array { &HWY_STATIC_DISPATCH(function) }
#endif

namespace tessera {

/// The build of a kernel that this context runs.
template <class Builds>
[[nodiscard]] auto build_for(const Context& context, const Builds& builds) {
  return builds[builds.size() == 1 ? 0 : static_cast<std::size_t>(context.isa())];
}

/// How many rows of a memory-bound operation are worth another thread: a few microseconds.
[[nodiscard]] inline std::int64_t row_grain(std::int64_t columns) {
  return std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(columns, 1));
}

}  // namespace tessera
