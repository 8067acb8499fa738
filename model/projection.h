#pragma once

#include <string>

#include "codec/layers/linear.h"

namespace tessera {

/// Tensors `name`.weight [outputs, inputs] and, when `bias`, `name`.bias.
[[nodiscard]] inline LinearLayer projection(Context& context, Checkpoint& checkpoint, const std::string& name,
                                            bool bias, std::int64_t outputs, std::int64_t inputs) {
  return {context, checkpoint, {{name + ".weight", bias ? name + ".bias" : "", outputs}}, inputs};
}

/// [rows, heads * size] as [rows * heads, size].
[[nodiscard]] inline Matrix by_head(const Tensor& x, int heads) {
  const Matrix m = x;
  return {m.data, m.rows * heads, m.columns / heads};
}

}  // namespace tessera
