#pragma once

#include <cstdint>

#include "kernels/context.h"

namespace tessera {

/// Rows of a table [entries, columns] by id. `ids` is [out.rows] on the device; each must be in [0, entries), which the
/// caller checks where ids enter the program. Both throw ArgumentError when the columns differ.

/// out[i] = table[ids[i]].
void embedding(Context& context, ConstMatrix table, const std::int32_t* ids, Matrix out);

/// out[i] = out[i] + table[ids[i]]. A residual quantizer's decoder calls it once a level, in ascending order.
void embedding_sum(Context& context, ConstMatrix table, const std::int32_t* ids, Matrix out);

}  // namespace tessera
