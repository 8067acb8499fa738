#pragma once

#include <string>
#include <vector>

#include "cli/bench.h"
#include "cli/language_model.h"

namespace tessera::cli {

/// What quantised weights cost: the mean log-likelihood (natural, an id) of texts, or of ids without meaning, by
/// `model` and by the same weights as stored, and the share of positions where both find the same id likeliest. Prints
/// nothing when `model`'s weights are as stored.
void bench_quality(const CommonOptions& options, const LanguageModel& model, const std::vector<std::string>& files,
                   const BenchPrinter& printer);

}  // namespace tessera::cli
