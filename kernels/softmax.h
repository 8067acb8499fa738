#pragma once

#include "kernels/context.h"

namespace tessera {

/// Each row of [rows, columns]: e = exp(x - max x); y = e / sum e, the sum in 16 interleaved chains. In place is fine.
/// A row with NaN or +infinity gives NaN. Throws ArgumentError when shapes differ.
void softmax(Context& context, ConstMatrix input, Matrix out);

}  // namespace tessera
