#pragma once

#include <cstdint>
#include <vector>

#include "kernels/context.h"

namespace tessera {

/// Which elements of a head are turned together: j with j + rotary_dim/2 (GPT-NeoX, Llama in transformers), or 2j with
/// 2j + 1 (GPT-J, Mimi's own code).
enum class RotaryLayout : std::uint8_t { half_split, interleaved };

struct RotaryShape {
  int heads = 0;
  int head_dim = 0;
  /// Even; the first this many elements of each head turn, the others stay.
  int rotary_dim = 0;
  RotaryLayout layout = RotaryLayout::half_split;
};

/// 1 / theta^(2j / rotary_dim) for j < rotary_dim/2, on the host: the exponent, the power and the quotient each rounded
/// to float32, as PyTorch code computes it.
[[nodiscard]] std::vector<float> rotary_frequencies(float theta, int rotary_dim);

/// Rotary position embedding, in place: row r of x [rows, heads * head_dim] stands at position first_position + r.
/// Angles beyond 2^22 stay at 2^22 (46 hours at 25 Hz).
/// angle = float(position) * frequencies[j]; y1 = fma(x1, cos, -(x2 * sin)); y2 = fma(x2, cos, x1 * sin).
/// `frequencies` is [rotary_dim/2] on the device. Throws ArgumentError when the shape and x disagree.
void rotary(Context& context, const RotaryShape& shape, const float* frequencies, std::int64_t first_position,
            Matrix x);

}  // namespace tessera
