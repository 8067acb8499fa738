#pragma once

#include <string>
#include <vector>

#include "codec/checkpoint/checkpoint.h"

namespace tessera {

/// Frequencies of rotary positions, [dim / 2], of base `theta` and the scaling that `config` asks for under
/// `rope_scaling` or `rope_parameters`: none ("default"), "linear", or "llama3" (Llama 3.1: wavelengths that fit
/// the original context stay, long ones are divided by the factor, a blend between). Throws CheckpointError for
/// another one.
[[nodiscard]] std::vector<float> scaled_frequencies(const Config& config, double theta, int dim);

/// `rope_theta`, from either place; transformers' 10000 when there is none.
[[nodiscard]] double rotary_base(const Config& config);

}  // namespace tessera
