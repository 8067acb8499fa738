#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "model/sampler.h"

namespace tessera {

/// What a checkpoint's authors recommend for continuing a text.
struct GenerationConfig {
  std::vector<std::int32_t> stops;  ///< eos_token_id, one or several
  SamplerOptions sampler;           ///< temperature 0 unless "do_sample" is true
};

/// Of generation_config.json in `folder`; what it lacks is config.json's (its eos_token_id), or left out: transformers
/// reads them so. Throws CheckpointError that names the file and the key.
[[nodiscard]] GenerationConfig read_generation_config(const std::filesystem::path& folder);

}  // namespace tessera
