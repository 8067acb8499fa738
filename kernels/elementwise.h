#pragma once

#include "kernels/context.h"

namespace tessera {

/// One rounding an element. Operands are [rows, columns], `vector` is [columns]; `out` may be an operand.
/// All throw ArgumentError when shapes differ.

/// out = a + b.
void add(Context& context, ConstMatrix a, ConstMatrix b, Matrix out);
/// out = a * b.
void multiply(Context& context, ConstMatrix a, ConstMatrix b, Matrix out);
/// out = x * factor.
void scale(Context& context, ConstMatrix x, float factor, Matrix out);
/// out[r, c] = x[r, c] * vector[c].
void scale_columns(Context& context, ConstMatrix x, const float* vector, Matrix out);
/// out[r, c] = x[r, c] + vector[c].
void shift_columns(Context& context, ConstMatrix x, const float* vector, Matrix out);
/// out = input, each with its own row step.
void copy_rows(Context& context, ConstMatrix input, Matrix out);
/// out = value.
void fill(Context& context, float value, Matrix out);

/// Fewer and more frames; `out` is no operand here. Both throw ArgumentError when shapes differ or factor < 1.

/// out[t] = (x[t * factor] + x[t * factor + 1] + …) / factor: the sum in ascending order, then one division. What does
/// not fill a frame of [x.rows / factor, columns] is left out. PyTorch's avg_pool1d.
void mean_frames(Context& context, ConstMatrix x, std::int64_t factor, Matrix out);
/// out[t] = x[t / factor], [x.rows * factor, columns]. PyTorch's repeat_interleave over time, nearest upsampling.
void repeat_frames(Context& context, ConstMatrix x, std::int64_t factor, Matrix out);

}  // namespace tessera
