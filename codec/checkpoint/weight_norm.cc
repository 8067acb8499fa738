#include "codec/checkpoint/weight_norm.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tessera {
namespace {

struct Spelling {
  const char* gain;
  const char* direction;
};

constexpr std::array kSpellings = {
    Spelling{".weight_g", ".weight_v"},
    Spelling{".parametrizations.weight.original0", ".parametrizations.weight.original1"},
};

void fold(std::vector<float>& direction, const std::vector<float>& gain) {
  const std::size_t row = direction.size() / gain.size();
  for (std::size_t i = 0; i < gain.size(); ++i) {
    double square = 0;
    for (std::size_t k = 0; k < row; ++k)
      square += static_cast<double>(direction[i * row + k]) * direction[i * row + k];
    const double factor = static_cast<double>(gain[i]) / std::sqrt(square);
    for (std::size_t k = 0; k < row; ++k) {
      direction[i * row + k] = static_cast<float>(direction[i * row + k] * factor);
    }
  }
}

}  // namespace

bool has_layer_weight(const Checkpoint& checkpoint, const std::string& name) {
  return checkpoint.has(name + ".weight") ||
         std::any_of(kSpellings.begin(), kSpellings.end(),
                     [&](const Spelling& spelling) { return checkpoint.has(name + spelling.direction); });
}

LayerWeight layer_weight(Checkpoint& checkpoint, const std::string& name, const Shape& shape) {
  for (const auto& [gain, direction] : kSpellings) {
    if (!checkpoint.has(name + direction)) continue;
    Shape gain_shape(shape.size(), 1);
    gain_shape.front() = shape.front();
    LayerWeight weight{checkpoint.floats(name + direction, shape), DType::f32};
    fold(weight.values, checkpoint.floats(name + gain, gain_shape));
    return weight;
  }
  return {checkpoint.floats(name + ".weight", shape), checkpoint.stored_type(name + ".weight")};
}

}  // namespace tessera
