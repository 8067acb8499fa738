#pragma once

#include <cstdint>
#include <vector>

#include "cli/language_model.h"

namespace tessera::cli {

/// The model named, with its drafts; random weights for a folder of a config.json alone. Throws UsageError,
/// CheckpointError.
[[nodiscard]] LanguageModel open_bench_model(const CommonOptions& options);

/// Ids that are somewhere in the vocabulary.
[[nodiscard]] std::vector<std::int32_t> some_ids(const DecoderConfig& config, std::int64_t count);

}  // namespace tessera::cli
