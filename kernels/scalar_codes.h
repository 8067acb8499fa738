#pragma once

#include <cstdint>
#include <span>

#include "kernels/context.h"

namespace tessera {

/// Quantizers without a search: each column of a row gives a digit by itself, and the digits one code, the sum of
/// digit times the column's weight.

/// Finite scalar quantization (Mentzer et al. 2023, arXiv 2309.15505). Column c has L = levels[c] digits and the weight
/// of levels[0] … levels[c - 1] multiplied. h = (L - 1) * 1.001 / 2, o = 0.5 for even L, else 0, both float32,
/// s = atanh(o / h):
///   q = round(tanh(x + s) * h - o), half to even;  digit = q + L / 2, kept in [0, L - 1];  value = q / (L / 2).
struct FiniteScalars {
  Tensor table;    ///< [4, columns]: s, h, o, L
  Tensor weights;  ///< [columns], i32
  Tensor entries;  ///< [codes, columns]: the values of each code

  [[nodiscard]] std::int64_t columns() const { return entries.dim(1); }
  [[nodiscard]] std::int64_t size() const { return entries.dim(0); }
};
/// Throws ArgumentError unless each of `levels` is 2 or more and all together make at most 2^20 codes.
[[nodiscard]] FiniteScalars pack_finite_scalars(Context& context, std::span<const int> levels);
/// codes[i] of row i of x; NaN gives digit 0. Throws ArgumentError when the columns differ.
void finite_scalar_codes(Context& context, ConstMatrix x, const FiniteScalars& scalars, std::int32_t* codes);

/// Lookup-free quantization (Yu et al. 2023, arXiv 2310.05737): digit = 1 for x > 0, else 0. The first column has the
/// highest weight, 2^(columns - 1), or with `first_is_lowest` 1. Throws ArgumentError unless x has 1 to 20 columns.
void sign_codes(Context& context, ConstMatrix x, bool first_is_lowest, std::int32_t* codes);
/// The values of each code, -1 and 1, [2^columns, columns]. Throws the same.
[[nodiscard]] Tensor sign_entries(Context& context, std::int64_t columns, bool first_is_lowest);

}  // namespace tessera
