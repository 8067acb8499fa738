#pragma once

#include <string>
#include <vector>

#include "codec/checkpoint/checkpoint.h"

namespace tessera {

struct LayerWeight {
  std::vector<float> values;
  DType stored = DType::f32;  ///< f32 when folded
};
/// A layer's weight [axis 0, ...] under the spellings in use: `name`.weight; weight norm as `name`.weight_g and
/// .weight_v, or as `name`.parametrizations.weight.original0 and .original1. Weight norm is folded: v * g / |v|, the
/// norm over all axes but the first (Salimans and Kingma 2016, torch.nn.utils.weight_norm), in double, rounded once.
/// Throws CheckpointError when there is none of them, or of another shape.
[[nodiscard]] LayerWeight layer_weight(Checkpoint& checkpoint, const std::string& name, const Shape& shape);
/// True when there is one of them.
[[nodiscard]] bool has_layer_weight(const Checkpoint& checkpoint, const std::string& name);

}  // namespace tessera
