#pragma once

#include <string>
#include <vector>

#include "codec/checkpoint/checkpoint.h"

namespace tessera {

/// How a model turns queries and keys with their positions.
struct RotaryPositions {
  std::vector<float> frequencies;  ///< [dim / 2]
  double amplitude = 1.0;          ///< what turns is multiplied by it (YaRN), in queries and in keys
  double score_scale = 1.0;        ///< of all scores; DeepSeek's reading of YaRN's mscale_all_dim
};

/// Rotary positions of base `theta` with the scaling that `config` asks for under `rope_scaling` or `rope_parameters`:
/// none ("default"); "linear"; "llama3" (Llama 3.1: wavelengths that fit the original context stay, long ones are
/// divided by the factor, a blend between); "yarn" (Peng et al. 2023: a blend by the turns within the original context,
/// and an amplitude that grows with the factor, as transformers 5.23 computes them). Throws CheckpointError for another
/// one.
[[nodiscard]] RotaryPositions read_rotary(const Config& config, double theta, int dim);

/// `rope_theta`, from either place; `otherwise` (transformers' for most families) when there is none.
[[nodiscard]] double rotary_base(const Config& config, double otherwise = 10000.0);

}  // namespace tessera
