#pragma once

#include <cstdint>
#include <functional>

#include "cli/language_model.h"

namespace tessera::cli {

/// One pass of a decoder: `rows` ids are fed to each of `batch` sequences that hold `context` positions.
struct BenchStep {
  std::int64_t context = 0;
  std::int64_t batch = 1;
  std::int64_t rows = 1;
  LogitRows logits = LogitRows::last;
};

/// Does it once a call, on sequences of its own, which `model` must outlive. What lies in the caches does not matter: they are filled with nothing.
[[nodiscard]] std::function<void()> step_of(const LanguageModel& model, const BenchStep& step);
/// The best of several.
[[nodiscard]] double step_seconds(const LanguageModel& model, const BenchStep& step);

/// What is drafted for a step and how many ids come of it: `ids` with the one that the decoder adds.
struct BenchDraft {
  int count = 0;
  double ids = 1;
};

/// Of drafting for one step behind `context` positions, or 4096 when there are more; the best of several.
[[nodiscard]] double draft_seconds(const LanguageModel& model, std::int64_t context, const BenchDraft& draft);

}  // namespace tessera::cli
