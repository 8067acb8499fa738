#pragma once

#include <cstdint>
#include <functional>

#include "kernels/arithmetic.h"
#include "kernels/bf12.h"
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
// FP8 (E4M3) that a checkpoint stores keeps its codes and scales, one for each group here: a weight is code * scale,
// rounded once.
//
// The part of a panel (16 outputs) in one slice: scales [groups][16], bf16 with groups rounded up to an even number,
// of FP8 float32 times 2^120 (kE4m3Power), then codes, int8 and FP8 as bytes [inputs][16], 4 bits as uint32
// [ceil(inputs / 8)][16], code + 8, the first input in the lowest bits. Behind all panels there are kPadding bytes,
// which are read and not used. Of fast weights (kernels/bfloat.h) words of 4-bit codes hold their eight inputs in the
// order 0 2 4 6 1 3 5 7: pairs stand 16 bits apart.

inline constexpr std::int64_t kGroup = 32;
/// Inputs whose codes of 4 bits share a word.
inline constexpr std::int64_t kOctet = 8;
/// Codes of 4 bits are stored plus this.
inline constexpr int kBias4 = 8;
inline constexpr std::int64_t kPadding = 4;

/// A code's bits 0 … 6, moved to a float's bits 20 … 26, are its value over this power.
inline constexpr float kE4m3Power = 0x1p120F;

/// What codes lie behind: their scales, or a header.
TESSERA_HOST_DEVICE constexpr std::int64_t scale_bytes(WeightCodes codes, std::int64_t depth) {
  if (codes == WeightCodes::bf12) return depth == 0 ? 0 : bf12::kHeaderBytes;
  const std::int64_t groups = codes == WeightCodes::e4m3 ? kGroup : 2 * kGroup;
  return (depth + groups - 1) / groups * 64;
}
/// Bytes of a panel's part in a slice of `depth` inputs.
TESSERA_HOST_DEVICE constexpr std::int64_t panel_bytes(WeightCodes codes, std::int64_t depth) {
  if (codes == WeightCodes::bf12) return bf12::panel_bytes(depth);
  return scale_bytes(codes, depth) + (codes == WeightCodes::int4 ? (depth + kOctet - 1) / kOctet * 64 : depth * 16);
}
/// Bytes before the part of `panel` in the slice that begins at input `k`.
[[nodiscard]] inline std::int64_t panel_offset(const PackedWeights& weights, std::int64_t k, std::int64_t panel) {
  return k / kSlice * weights.panel_count() * panel_bytes(weights.codes, kSlice) +
         panel * panel_bytes(weights.codes, weights.slice_depth(k));
}

/// Bytes of all panels.
[[nodiscard]] inline std::int64_t all_panels_bytes(const PackedWeights& weights) {
  return weights.inputs == 0 ? 0 : panel_offset(weights, (weights.inputs - 1) / kSlice * kSlice, weights.panel_count());
}

[[nodiscard]] constexpr WeightCodes codes_of(WeightStorage storage) {
  return storage == WeightStorage::int8   ? WeightCodes::int8
         : storage == WeightStorage::int4 ? WeightCodes::int4
                                          : WeightCodes::none;
}

/// Codes and scale of one group.
struct Group {
  std::int8_t codes[kGroup];
  std::uint16_t scale;  ///< bits of a bf16
};
/// Of `count` weights, 1 … 32; `codes`: int8 or int4.
[[nodiscard]] Group quantise(const float* weights, std::int64_t count, WeightCodes codes);

/// Memory of `bytes` and the padding for weights whose shape and codes are known; `fill` writes it on the host.
void allocate(Context& context, PackedWeights& weights, std::int64_t bytes,
              const std::function<void(std::byte*)>& fill);

/// What pack_weights does where weights are quantised, or keeps_e4m3() holds.
[[nodiscard]] PackedWeights pack(Context& context, const WeightSource& weight, WeightCodes codes, bool fast = false);

/// Whether all of it is FP8 whose scale blocks hold whole groups, without NaN, with scales that the power leaves
/// finite.
[[nodiscard]] bool keeps_e4m3(Context& context, const WeightSource& weight);

}  // namespace tessera::quantised
