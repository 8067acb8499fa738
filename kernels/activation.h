#pragma once

#include <cstdint>
#include <string>

#include "kernels/context.h"

namespace tessera {

/// Point functions of kernels/arithmetic.inc. gelu is the exact (erf) form; elu has alpha 1.
enum class Activation : std::uint8_t { none, relu, elu, gelu, silu, tanh, sigmoid, exp };

/// By the names checkpoints use: "gelu", "silu"/"swish", "relu", "elu", "tanh", "sigmoid".
/// Throws CheckpointError for another, naming `where`.
[[nodiscard]] Activation activation_from_name(const std::string& name, const std::string& where);

/// out = f(input), element by element; [rows, columns] each, in place allowed. Throws ArgumentError when shapes differ.
void activate(Context& context, Activation f, ConstMatrix input, Matrix out);

}  // namespace tessera
