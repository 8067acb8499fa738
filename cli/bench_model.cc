#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/bench.h"
#include "cli/bench_context.h"
#include "cli/bench_quality.h"
#include "cli/bench_step.h"
#include "cli/bench_subject.h"
#include "cli/figure.h"
#include "cli/language_model.h"
#include "cli/memory_stream.h"
#include "cli/signals.h"
#include "model/generate.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

void bench_prefill(const LanguageModel& model, const BenchPrinter& printer) {
  for (const std::int64_t rows : {std::int64_t{32}, kMostDecoderRows}) {
    if (rows > model.decoder->config().positions) continue;
    const double seconds = step_seconds(model, {0, 1, rows, LogitRows::last});
    const DecoderConfig& config = model.decoder->config();
    const auto head = static_cast<double>(config.vocabulary * config.hidden);  // of the last id alone
    const double layers = static_cast<double>(model.decoder->active_parameters()) - head;
    const double work = 2.0 * (layers * static_cast<double>(rows) + head);
    printer.print_result({{"bench", "prefill " + std::to_string(rows)},
                          {"tokens_per_s", hundredths(static_cast<double>(rows) / seconds)},
                          {"gflops", hundredths(work / seconds / 1e9)}});
  }
}

/// What the operations of a prompt, of one id and of one with three drafts take.
void bench_model_operations(const LanguageModel& model, const BenchPrinter& printer) {
  const std::int64_t positions = model.decoder->config().positions;
  const std::pair<const char*, BenchStep> steps[] = {
      {"prefill", {0, 1, std::min(kMostDecoderRows, positions), {}}},
      {"decode", {}},
      {"verify 4", {0, 1, std::min<std::int64_t>(4, positions), LogitRows::all}}};
  for (const auto& [name, step] : steps) bench_operations(*model.context, name, step_of(model, step), printer);
}

std::string weights_of(const LanguageModel& model) {
  const WeightStorage kept = model.context->weights();
  if (kept != WeightStorage::stored) return name_of(kept);
  return model.decoder->is_fp8() ? "fp8" : name_of(model.decoder->storage());
}

void bench_batches(const LanguageModel& model, const BenchPrinter& printer) {
  for (const std::int64_t batch : {2, 4, 8, 16}) {
    const double seconds = step_seconds(model, {0, batch, 1, LogitRows::last});
    printer.print_result({{"bench", "decode, batch " + std::to_string(batch)},
                          {"tokens_per_s", hundredths(static_cast<double>(batch) / seconds)}});
  }
}

struct Timed {
  std::vector<std::int32_t> ids;
  double tokens_per_second;
  DraftCounts counts;
};

Timed timed_once(const LanguageModel& model, const GenerateOptions& options) {
  Generation g(*model.context, *model.decoder, model.drafts.get(), some_ids(model.decoder->config(), 8), options);
  generate(*model.context, *model.decoder, g, [](std::int32_t) { return check_interrupted(), true; });
  const auto generated = g.generated();
  const double tokens = static_cast<double>(generated.size()) - 1;
  return {{generated.begin(), generated.end()}, tokens / g.decode_seconds(), g.draft_counts()};
}

/// The fastest of several; each gives the same ids.
Timed timed_generation(const LanguageModel& model, const GenerateOptions& options) {
  constexpr int kTurns = 3;
  Timed best = timed_once(model, options);
  for (int turn = 1; turn < kTurns; ++turn) {
    Timed again = timed_once(model, options);
    if (again.tokens_per_second > best.tokens_per_second) best = std::move(again);
  }
  return best;
}

/// Whether the draft at a position is made true, so that a share `acceptance` of drafts is accepted.
bool is_accepted(std::int64_t position, double acceptance) {
  const std::uint64_t mixed = (static_cast<std::uint64_t>(position) * 0x9e3779b97f4a7c15U) >> 40;
  return static_cast<double>(mixed) * 0x1p-24 < acceptance;
}

/// Drafts of random weights are worth nothing: with an acceptance imposed, costs are real and the gain is what it
/// would be.
void bench_drafts(const LanguageModel& model, const BenchPrinter& printer) {
  if (!model.drafts) return;
  GenerateOptions options;
  options.max_tokens = std::min<std::int64_t>(192, model.decoder->config().positions - 8);
  // The likeliest ids of random weights soon repeat, and with them the experts.
  options.sampler.temperature = 1;
  options.drafts = 0;
  const Timed off = timed_generation(model, options);
  const auto report = [&](const std::string& name, const Timed& timed) {
    const double steps = static_cast<double>(std::max<std::int64_t>(timed.counts.steps, 1));
    printer.print_result({{"bench", name},
                          {"tokens_per_s", hundredths(timed.tokens_per_second)},
                          {"times_off", hundredths(timed.tokens_per_second / off.tokens_per_second)},
                          {"ids_per_step", hundredths(static_cast<double>(timed.ids.size() - 1) / steps)},
                          {"same_ids", timed.ids == off.ids}});
  };
  report("mtp off", off);
  options.drafts = GenerateOptions::kAutomatic;
  report("mtp auto", timed_generation(model, options));
  for (const double acceptance : {0.5, 0.7, 0.85}) {
    options.impose = [&](std::int32_t proposal, std::int64_t position) {
      const std::size_t at = static_cast<std::size_t>(position) - 8;
      return at < off.ids.size() && is_accepted(position, acceptance) ? off.ids[at] : proposal;
    };
    report("mtp auto, " + std::to_string(std::lround(100 * acceptance)) + " % accepted",
           timed_generation(model, options));
  }
}

}  // namespace

void bench_model(const CommonOptions& options, const std::vector<std::string>& files, const BenchPrinter& printer) {
  const auto start = Clock::now();
  const LanguageModel model = open_bench_model(options);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const Decoder& decoder = *model.decoder;
  printer.print_result({{"bench", "model"},
                        {"family", decoder.config().family},
                        {"parameters", decoder.parameters()},
                        {"active_parameters", decoder.active_parameters()},
                        {"weights", weights_of(model)},
                        {"draft_layers", model.draft_layers},
                        {"load_s", hundredths(seconds)}});
  MemoryStream memory(*model.context);
  bench_prefill(model, printer);
  bench_context(model, memory, printer);
  bench_batches(model, printer);
  bench_drafts(model, printer);
  if (options.verbose) bench_model_operations(model, printer);
  bench_quality(options, model, files, printer);
}

}  // namespace tessera::cli
