#pragma once

#include <cstdint>

#include "kernels/arithmetic.h"
#include "kernels/product.h"

namespace tessera::quantised {

// Weight-only quantisation: 32 inputs of an output (a group, counted from each slice's first input) share a scale, a
// bf16, and each has a code of 8 bits (-127 … 127) or 4 bits (-8 … 7). A weight is code * scale, +0 where that is a
// zero, which float32 holds exactly, so that the product of such weights obeys the one rule and has the same bits
// everywhere.
//
// 8 bits: scale = max |w| / 127. 4 bits: scale = w / -8, w the first weight of the largest magnitude (as llama.cpp's
// Q4_0 has it). Scales round to the nearest bf16; a code is weight / scale to the nearest integer, ties to even, within
// its range; all are 0 where the scale is. A group whose scale would be 2^112 or more, or is not finite, has the scale
// NaN.
//
// The part of a panel (16 outputs) in one slice: scales [groups][16], groups rounded up to an even number, then codes,
// 8 bits as int8 [inputs][16], 4 bits as uint32 [ceil(inputs / 8)][16], code + 8, the first input in the lowest
// bits. Behind all panels there are kPadding bytes, which are read and not used.

inline constexpr std::int64_t kGroup = 32;
/// Inputs whose codes of 4 bits share a word.
inline constexpr std::int64_t kOctet = 8;
/// Codes of 4 bits are stored plus this.
inline constexpr int kBias4 = 8;
inline constexpr std::int64_t kPadding = 4;

TESSERA_HOST_DEVICE constexpr std::int64_t scale_bytes(std::int64_t depth) {
  return (depth + 2 * kGroup - 1) / (2 * kGroup) * 64;
}
/// Bytes of a panel's part in a slice of `depth` inputs.
TESSERA_HOST_DEVICE constexpr std::int64_t panel_bytes(int bits, std::int64_t depth) {
  return scale_bytes(depth) + (bits == 8 ? depth * 16 : (depth + kOctet - 1) / kOctet * 64);
}

/// Bytes before the part of `panel` in the slice that begins at input `k`.
[[nodiscard]] inline std::int64_t panel_offset(const PackedWeights& weights, std::int64_t k, std::int64_t panel) {
  return k / kSlice * weights.panel_count() * panel_bytes(weights.bits, kSlice) +
         panel * panel_bytes(weights.bits, weights.slice_depth(k));
}

/// Codes and scale of one group.
struct Group {
  std::int8_t codes[kGroup];
  std::uint16_t scale;  ///< bits of a bf16
};
/// Of `count` weights, 1 … 32.
[[nodiscard]] Group quantise(const float* weights, std::int64_t count, int bits);

/// What pack_weights does where weights are quantised.
[[nodiscard]] PackedWeights pack(Context& context, const WeightSource& weight, int bits);

}  // namespace tessera::quantised
