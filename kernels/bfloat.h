#pragma once

// Fast math on the CPU: products whose operands are rounded to bfloat16, for the units that multiply pairs of them.
//
//  - Operands round to nearest even; denormals count as zeros of their sign. Products are exact, sums are float32,
//    every rounding is to nearest even and a denormal result becomes zero (the units know no other way).
//  - Both units read inputs in pairs; behind the last input stand zeros up to a multiple of 32.
//  - avx512-bf16 (VDPBF16PS): one chain of fused multiply-adds from zero, ascending by pairs, in a pair the odd
//    input first.
//  - amx (TDPBF16PS): of each 32 inputs a chain of fused multiply-adds from zero over the even ones and one over the
//    odd ones, both ascending; total = total + (even + odd).
//
// Of quantised weights (kernels/quantised.h) the codes are the operands: the 32 inputs of a group are a sum of their
// own from zero, in the unit's order, and total = fma(sum, scale, total) from zero, a float32 as usual, denormals
// included.
//
// So a sum depends on its inputs alone: on no other row, chunk or thread. Between units the last bits differ. Which
// products are fast depends on the shape of their weights alone (pays()).
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, VDPBF16PS and TDPBF16PS.

#include <algorithm>
#include <cstdint>

#include "kernels/context.h"
#include "kernels/narrow.h"

namespace tessera::bfloat {

/// Inputs of one step of AMX: a tile's row.
inline constexpr std::int64_t kStep = 32;
/// Inputs of one slice, which changes no bit: a block of rows of this length stays in the first-level cache.
inline constexpr std::int64_t kSlice = 512;
/// Rows of a block: two tiles.
inline constexpr std::int64_t kBlockRows = 32;
inline constexpr std::int64_t kTileRows = 16;

/// Whether a product is worth it. Fewer outputs than a panel has leave the unit idle, and few inputs are cheap anyway
/// (and often the samples or pixels themselves).
[[nodiscard]] constexpr bool pays(std::int64_t inputs, std::int64_t outputs) noexcept {
  return inputs >= kStep && outputs >= 16;
}

[[nodiscard]] constexpr std::int64_t padded(std::int64_t inputs) noexcept {
  return (inputs + kStep - 1) / kStep * kStep;
}

/// The rule's rounding of one operand.
[[nodiscard]] inline std::uint16_t round(float x) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7f800000) == 0) return static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  return bf16_from_float(x);
}

/// -1, for codes of no input.
inline constexpr std::uint16_t kNoCode = 0xbf80;

/// The bits of an integer of seven bits and a sign, which bfloat16 holds.
[[nodiscard]] constexpr std::uint16_t small_integer(int x) noexcept {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(x)) >> 16);
}

/// Weights as both units read them: slice after slice of at most kSlice inputs (zeros up to a multiple of kStep), in
/// each the panels of 16 outputs, in each the pairs of inputs: [slice][panel][pair][16][2].
struct PanelLayout {
  std::int64_t inputs;
  std::int64_t panels;

  [[nodiscard]] std::int64_t depth(std::int64_t k) const noexcept { return padded(std::min(inputs - k, kSlice)); }
  /// First element of a panel's slice that begins at input `k`.
  [[nodiscard]] std::int64_t offset(std::int64_t k, std::int64_t panel) const noexcept {
    return (k * panels + panel * depth(k)) * 16;
  }
  [[nodiscard]] std::int64_t size() const noexcept { return panels * padded(inputs) * 16; }
};

/// A block of rows times all panels of a tile, over one slice.
struct Block {
  const std::uint16_t* rows;  ///< [steps][kBlockRows][kStep]
  std::int64_t row_count;     ///< 1 … kBlockRows
  std::int64_t steps;
  const std::uint16_t* panels;
  std::int64_t panel_step;  ///< elements from panel to panel
  std::int64_t panel_count;
  float* sums;  ///< [row_count][sum_step], of which panel_count * 16 are used
  std::int64_t sum_step;
  bool first;                     ///< sums begin at zero; else they go on
  const float* scales = nullptr;  ///< [steps][panel_count][16], of products that have them
};

#if !defined(TESSERA_SANITIZED)
inline constexpr std::int64_t kFewRows = 8;
#else
inline constexpr std::int64_t kFewRows = 2;
#endif

/// Few rows times all panels of a tile, as they are quantised, over one slice.
struct CodedBlock {
  const std::uint16_t* rows;  ///< [steps][kBlockRows][kStep]
  std::int64_t row_count;     ///< 1 … kFewRows
  std::int64_t depth;         ///< inputs
  const std::uint8_t* panels;
  std::int64_t panel_bytes;
  std::int64_t scale_bytes;  ///< before a panel's codes
  std::int64_t panel_count;
  float* sums;  ///< [row_count][sum_step]
  std::int64_t sum_step;
  bool first;
};

/// What a unit does.
struct Kernels {
  /// Rounds steps * kStep floats of one row; step s goes to out + s * kBlockRows * kStep.
  void (*round_row)(const float* row, std::int64_t steps, std::uint16_t* out);
  void (*multiply)(const Block& block);
  /// With scales.
  void (*multiply_scaled)(const Block& block);
  /// The codes of a panel's slice of `depth` inputs (kernels/quantised.h, of fast weights) as pairs of numbers, eight
  /// inputs after the other. Where there is no input stands a number below zero: it times the input, a zero, is -0,
  /// which changes no sum.
  void (*pair_int4)(const std::uint8_t* codes, std::int64_t depth, std::uint16_t* pairs);
  void (*pair_int8)(const std::uint8_t* codes, std::int64_t depth, std::uint16_t* pairs);
  /// Few rows (kFewRows) times codes on their way into registers; null where a unit reads pairs from memory only.
  void (*multiply_int4)(const CodedBlock& block);
  void (*multiply_int8)(const CodedBlock& block);
};

/// `unit` is one this CPU has, or emulated.
[[nodiscard]] Kernels kernels_of(const Context& context, BfloatUnit unit);
/// Its two sources; all null where the unit cannot be compiled for.
[[nodiscard]] Kernels native_kernels(BfloatUnit unit) noexcept;
[[nodiscard]] Kernels emulated_kernels(const Context& context, BfloatUnit unit) noexcept;

}  // namespace tessera::bfloat
