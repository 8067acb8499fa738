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

}  // namespace tessera
