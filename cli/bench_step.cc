#include "cli/bench_step.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <span>
#include <vector>

#include "cli/bench.h"
#include "cli/bench_subject.h"
#include "cli/signals.h"

namespace tessera::cli {
namespace {

Sequence filled(const LanguageModel& model, const BenchStep& step) {
  Sequence sequence = model.decoder->start(*model.context, step.context + step.rows);
  sequence.reserve(*model.context);
  sequence.advance(step.context);
  return sequence;
}

/// Layers of windows cost the same behind it; others a little more.
constexpr std::int64_t kMostRead = 4096;

/// Waits for a device that works on its own time.
void finish(Context& context, const Tensor& logits) {
  float first = 0;
  context.download(logits.bytes(), &first, sizeof first);
}

}  // namespace

std::function<void()> step_of(const LanguageModel& model, const BenchStep& step) {
  struct Batch {
    std::vector<std::int32_t> ids;
    std::vector<Sequence> sequences;
    std::vector<Feed> feeds;
  };
  const auto batch = std::make_shared<Batch>();
  // Other ids in each sequence, so that each chooses experts of its own.
  batch->ids = some_ids(model.decoder->config(), step.rows * step.batch);
  for (std::int64_t i = 0; i < step.batch; ++i) batch->sequences.push_back(filled(model, step));
  const auto rows = static_cast<std::size_t>(step.rows);
  for (std::size_t i = 0; i < batch->sequences.size(); ++i) {
    batch->feeds.push_back({&batch->sequences[i], std::span(batch->ids).subspan(i * rows, rows)});
  }
  return [&model, step, batch] {
    check_interrupted();
    finish(*model.context, model.decoder->forward(*model.context, batch->feeds, step.logits));
    for (Sequence& sequence : batch->sequences) sequence.truncate(step.context);
  };
}

double step_seconds(const LanguageModel& model, const BenchStep& step) {
  return best_seconds(step_of(model, step), 1.0);
}

double draft_seconds(const LanguageModel& model, std::int64_t context, const BenchDraft& draft) {
  using Clock = std::chrono::steady_clock;
  constexpr int kTurns = 12;
  context = std::min(context, kMostRead);
  const auto grown = static_cast<std::int64_t>(std::ceil(draft.ids));
  const std::int64_t hidden = model.decoder->config().hidden;
  const auto drafter = model.drafts->start(*model.context, context + grown * (kTurns + 1) + draft.count + 1);
  const Tensor rows = model.context->allocate({kMostDecoderRows, hidden});
  std::vector<std::int32_t> ids = some_ids(model.decoder->config(), 1);
  const auto read = [&](std::int64_t count) {
    const auto more = some_ids(model.decoder->config(), count);
    ids.insert(ids.end(), more.begin(), more.end());
    const bool reads = model.drafts->reads_hidden();
    drafter->observe(*model.context, reads ? ConstMatrix{rows.data(), count, hidden} : ConstMatrix{}, ids);
  };
  for (std::int64_t left = context; left > 0; left -= kMostDecoderRows) read(std::min(left, kMostDecoderRows));
  double best = 1e30;
  for (int turn = 0; turn < kTurns; ++turn) {
    check_interrupted();
    const auto start = Clock::now();
    read(grown);
    (void)drafter->propose(*model.context, ids, draft.count, {[](auto, auto) { return 0; }});
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

}  // namespace tessera::cli
