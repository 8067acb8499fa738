#include "cli/bench_context.h"

#include <nlohmann/json.hpp>
#include <string>

#include "cli/bench.h"
#include "cli/bench_step.h"
#include "cli/figure.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kMostCacheBytes = std::int64_t{4} << 30;
constexpr double kIdsOfStep = 2.5;

/// That a step reads.
double weight_bytes(const LanguageModel& model, const BenchStep& step) {
  double bytes = 0;
  const MeasuredWork work = measure_operations(*model.context, step_of(model, step));
  for (const Profile::Entry& entry : work.profile.entries()) bytes += entry.weight_bytes;
  return bytes;
}

void add_bandwidth(const LanguageModel& model, double seconds, MemoryStream& memory, ordered_json& line) {
  const double bytes = weight_bytes(model, {});
  const double stream = memory.measure();
  line["gb_per_s"] = hundredths(bytes / seconds / 1e9);
  line["stream"] = hundredths(stream);
  line["percent_of_stream"] = hundredths(100 * bytes / seconds / 1e9 / stream);
}

void add_drafts(const LanguageModel& model, std::int64_t context, ordered_json& line) {
  const BenchDraft draft{model.drafts->reach(0), kIdsOfStep};
  const double seconds = step_seconds(model, {context, 1, draft.count + 1, LogitRows::all});
  const double drafting = draft_seconds(model, context, draft);
  line["drafts"] = draft.count;
  line["verify_s"] = seconds;
  line["draft_s"] = drafting;
  line["mtp_tokens_per_s"] = hundredths(kIdsOfStep / (seconds + drafting));
}

}  // namespace

void bench_context(const LanguageModel& model, MemoryStream& memory, const BenchPrinter& printer) {
  constexpr std::int64_t kRoom = 64;
  for (const std::int64_t context : {0, 1024, 4096, 16384, 65536, 262144 - 64}) {
    if (context + kRoom > model.decoder->config().positions && context > 0) break;
    if (Sequence::bytes(model.decoder->config(), context + kRoom) > kMostCacheBytes) break;
    const double seconds = step_seconds(model, {.context = context});
    ordered_json line{{"bench", "decode, context " + std::to_string(context)},
                      {"tokens_per_s", hundredths(1 / seconds)}};
    if (context == 0 && memory.measures()) add_bandwidth(model, seconds, memory, line);
    if (model.drafts && context + kRoom <= model.decoder->config().positions) add_drafts(model, context, line);
    printer.print_result(line);
  }
}

}  // namespace tessera::cli
