#pragma once

#include "cli/bench.h"
#include "cli/language_model.h"
#include "cli/memory_stream.h"

namespace tessera::cli {

/// Decoding by the length of the context, as far as positions and memory go; at the first length the share of the
/// memory's speed. With layers of multi-token prediction also what decoding would be with as many drafts as they make
/// and 2.5 ids of a step.
void bench_context(const LanguageModel& model, MemoryStream& memory, const BenchPrinter& printer);

}  // namespace tessera::cli
