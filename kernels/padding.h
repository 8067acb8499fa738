#pragma once

#include <cstdint>

#include "kernels/arithmetic.h"
#include "kernels/conv.h"

namespace tessera {

/// Which input frame stands at position `i` (before the input when negative, behind it from `frames` on);
/// -1 for a zero.
[[nodiscard]] TESSERA_HOST_DEVICE inline std::int64_t padded_source(std::int64_t i, std::int64_t frames, PadMode mode) {
  if (i >= 0 && i < frames) return i;
  if (mode == PadMode::zeros) return -1;
  if (mode == PadMode::replicate) return i < 0 ? 0 : frames - 1;
  return i < 0 ? -i : 2 * (frames - 1) - i;
}

}  // namespace tessera
