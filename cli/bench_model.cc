#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/bench.h"
#include "cli/bench_quality.h"
#include "cli/bench_subject.h"
#include "cli/language_model.h"
#include "cli/memory_stream.h"
#include "cli/signals.h"
#include "kernels/quantised.h"
#include "model/generate.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kMostCacheBytes = std::int64_t{2} << 30;

double rounded(double value) { return std::round(value * 100) / 100; }

/// The same time is measured for all contexts: what lies in the caches does not matter.
Sequence filled(const LanguageModel& model, std::int64_t context, std::int64_t room) {
  Sequence sequence = model.decoder->start(*model.context, context + room);
  sequence.advance(context);
  return sequence;
}

/// Waits for a device that works on its own time.
void finish(Context& context, const Tensor& logits) {
  float first = 0;
  context.download(logits.bytes(), &first, sizeof first);
}

/// Seconds of a step that feeds `rows` ids to each of `batch` sequences.
double step_seconds(const LanguageModel& model, std::int64_t context, std::int64_t batch, std::int64_t rows) {
  const std::vector<std::int32_t> ids = some_ids(model.decoder->config(), rows);
  std::vector<Sequence> sequences;
  for (std::int64_t i = 0; i < batch; ++i) sequences.push_back(filled(model, context, rows));
  std::vector<Feed> feeds;
  for (Sequence& sequence : sequences) feeds.push_back({&sequence, ids});
  return best_seconds(
      [&] {
        check_interrupted();
        finish(*model.context, model.decoder->forward(*model.context, feeds, LogitRows::last));
        for (Sequence& sequence : sequences) sequence.truncate(context);
      },
      1.0);
}

void bench_prefill(const LanguageModel& model, const BenchPrinter& printer) {
  for (const std::int64_t rows : {std::int64_t{32}, kMostDecoderRows}) {
    if (rows > model.decoder->config().positions) continue;
    const double seconds = step_seconds(model, 0, 1, rows);
    const double work = 2.0 * static_cast<double>(model.decoder->active_parameters()) * static_cast<double>(rows);
    printer.print_result({{"bench", "prefill " + std::to_string(rows)},
                          {"tokens_per_s", rounded(static_cast<double>(rows) / seconds)},
                          {"gflops", rounded(work / seconds / 1e9)}});
  }
}

/// Codes share a scale of two bytes in groups.
double bytes_of_weight(const LanguageModel& model) {
  const int bits = bits_of(model.context->weights());
  if (bits == 0) return static_cast<double>(size_of(model.decoder->storage()));
  return bits / 8.0 + 2.0 / static_cast<double>(quantised::kGroup);
}

std::string weights_of(const LanguageModel& model) {
  const WeightStorage kept = model.context->weights();
  return kept == WeightStorage::stored ? name_of(model.decoder->storage()) : name_of(kept);
}

void bench_context(const LanguageModel& model, MemoryStream& memory, const BenchPrinter& printer) {
  for (const std::int64_t context : {0, 1024, 4096, 16384, 65536, 262143}) {
    if (context >= model.decoder->config().positions) break;
    if (Sequence::bytes(model.decoder->config(), context + 1) > kMostCacheBytes) break;
    const double seconds = step_seconds(model, context, 1, 1);
    ordered_json line{{"bench", "decode, context " + std::to_string(context)}, {"tokens_per_s", rounded(1 / seconds)}};
    if (context == 0 && memory.measures()) {
      const double rate =
          static_cast<double>(model.decoder->active_parameters()) * bytes_of_weight(model) / seconds / 1e9;
      const double stream = memory.measure();
      line["gb_per_s"] = rounded(rate);
      line["stream"] = rounded(stream);
      line["percent_of_stream"] = rounded(100 * rate / stream);
    }
    printer.print_result(line);
  }
}

void bench_batches(const LanguageModel& model, const BenchPrinter& printer) {
  for (const std::int64_t batch : {2, 4, 8, 16}) {
    const double seconds = step_seconds(model, 0, batch, 1);
    printer.print_result({{"bench", "decode, batch " + std::to_string(batch)},
                          {"tokens_per_s", rounded(static_cast<double>(batch) / seconds)}});
  }
}

struct Timed {
  std::vector<std::int32_t> ids;
  double tokens_per_second;
  DraftCounts counts;
};

Timed timed_generation(const LanguageModel& model, const GenerateOptions& options) {
  Generation g(*model.context, *model.decoder, model.drafts.get(), some_ids(model.decoder->config(), 8), options);
  generate(*model.context, *model.decoder, g, [](std::int32_t) { return check_interrupted(), true; });
  const auto generated = g.generated();
  const double tokens = static_cast<double>(generated.size()) - 1;
  return {{generated.begin(), generated.end()}, tokens / g.decode_seconds(), g.draft_counts()};
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
  options.sampler.temperature = 0;
  options.drafts = 0;
  const Timed off = timed_generation(model, options);
  const auto report = [&](const std::string& name, const Timed& timed) {
    const double steps = static_cast<double>(std::max<std::int64_t>(timed.counts.steps, 1));
    printer.print_result({{"bench", name},
                          {"tokens_per_s", rounded(timed.tokens_per_second)},
                          {"times_off", rounded(timed.tokens_per_second / off.tokens_per_second)},
                          {"ids_per_step", rounded(static_cast<double>(timed.ids.size() - 1) / steps)},
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
                        {"load_s", rounded(seconds)}});
  MemoryStream memory(*model.context);
  bench_prefill(model, printer);
  bench_context(model, memory, printer);
  bench_batches(model, printer);
  bench_drafts(model, printer);
  bench_quality(options, model, files, printer);
}

}  // namespace tessera::cli
