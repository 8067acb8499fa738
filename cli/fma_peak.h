#pragma once

#include <cstdint>

#include "kernels/context.h"

namespace tessera::cli {

/// Does `steps` rounds of independent fused multiply-adds in registers, as wide as `isa` allows; returns how many
/// floating-point operations that was (two an element).
std::int64_t spend_fma(Isa isa, std::int64_t steps);

/// Reads `count` floats and returns a value that depends on all of them.
float read_through(const float* data, std::int64_t count);

}  // namespace tessera::cli
