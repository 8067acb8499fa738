#pragma once

#include <cstdint>

#include "kernels/context.h"

namespace tessera {

/// Rows of a table [entries, columns] by id. `ids` is [out.rows] on the device; each must be in [0, entries), which the
/// caller checks where ids enter the program. All throw ArgumentError when the columns differ.

/// out[i] = table[ids[i]].
void embedding(Context& context, ConstMatrix table, const std::int32_t* ids, Matrix out);

/// The same of a contiguous table stored as f32, f16 or bf16, which widens exactly. Throws ArgumentError for i32 too.
void embedding(Context& context, const Tensor& table, const std::int32_t* ids, Matrix out);

/// out[i] = out[i] + table[ids[i]]. A residual quantizer's decoder calls it once a level, in ascending order.
void embedding_sum(Context& context, ConstMatrix table, const std::int32_t* ids, Matrix out);

/// For j = 0 … terms - 1 in turn: out[i] = fma(weights[i * terms + j], table[ids[i * terms + j]], out[i]). `ids` and
/// `weights` are [out.rows, terms] on the device; out is no part of the table. A mixture of experts adds up its
/// experts' results so. Throws ArgumentError when terms < 1 too.
void embedding_weighted_sum(Context& context, ConstMatrix table, std::int64_t terms, const std::int32_t* ids,
                            const float* weights, Matrix out);

}  // namespace tessera
