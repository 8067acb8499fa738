#pragma once

#include <cstdint>

#include "kernels/product.h"

namespace tessera {

/// A codebook ready to search: [entries, width].
struct Codebook {
  Tensor entries;            ///< [entries, width]
  PackedWeights packed;      ///< the same, as weights
  Tensor minus_half_square;  ///< -|e|^2 / 2 of each entry
  [[nodiscard]] std::int64_t size() const { return entries.dim(0); }
  [[nodiscard]] std::int64_t width() const { return entries.dim(1); }
};

/// `entries` is a row-major [entries, width] host matrix.
[[nodiscard]] Codebook pack_codebook(Context& context, ConstMatrix entries);

/// codes[i] = the entry nearest to row i by squared Euclidean distance, the lowest index on ties: the argmax of
/// x·e - |e|^2 / 2, the product's sum with the second term as its bias. `codes` holds x.rows ids on the device.
/// Throws ArgumentError when the widths differ.
void nearest_codes(Context& context, ConstMatrix x, const Codebook& codebook, std::int32_t* codes);

/// x[i] -= entries[codes[i]].
void subtract_entries(Context& context, const Codebook& codebook, const std::int32_t* codes, Matrix x);

/// index[i] = the first of the largest values of row i. NaN and -infinity never win: 0 when there is nothing else.
void argmax_rows(Context& context, ConstMatrix x, std::int32_t* index);

}  // namespace tessera
