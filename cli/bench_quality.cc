#include "cli/bench_quality.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/bench_subject.h"
#include "cli/signals.h"
#include "cli/text_files.h"
#include "cli/usage_error.h"
#include "model/sampler.h"

namespace tessera::cli {
namespace {

using Ids = std::vector<std::int32_t>;

/// Positions that see each other; longer texts are cut.
constexpr std::int64_t kPiece = 512;

std::vector<Ids> read_pieces(const LanguageModel& model, const std::vector<std::string>& files) {
  const std::int64_t longest = std::min(kPiece, model.decoder->config().positions);
  if (files.empty()) return {some_ids(model.decoder->config(), longest)};
  if (!model.tokenizer) throw UsageError(model.path + " has no tokenizer: texts cannot be read");
  std::vector<Ids> pieces;
  for (const std::string& file : files) {
    Ids ids;
    model.tokenizer->encode(read_text(file), ids, true);
    for (std::size_t at = 0; at + 1 < ids.size(); at += static_cast<std::size_t>(longest)) {
      const std::size_t end = std::min(ids.size(), at + static_cast<std::size_t>(longest));
      pieces.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(at),
                          ids.begin() + static_cast<std::ptrdiff_t>(end));
    }
  }
  return pieces;
}

std::vector<float> logits_of(const LanguageModel& model, const Ids& ids) {
  check_interrupted();
  Sequence sequence = model.decoder->start(*model.context, static_cast<std::int64_t>(ids.size()));
  const Tensor logits = model.decoder->forward(*model.context, sequence, ids, LogitRows::all);
  std::vector<float> host(static_cast<std::size_t>(logits.size()));
  model.context->download(logits.bytes(), host.data(), host.size() * sizeof(float));
  return host;
}

struct Sums {
  double kept = 0;
  double stored = 0;
  std::int64_t same = 0;
  std::int64_t ids = 0;
};

void add_piece(const LanguageModel& kept, const LanguageModel& stored, const Ids& ids, Sums& sums) {
  const std::vector<float> all = logits_of(kept, ids);
  const std::vector<float> all_stored = logits_of(stored, ids);
  const std::size_t width = all.size() / ids.size();
  const auto likeliest = [](std::span<const float> row) {
    return std::max_element(row.begin(), row.end()) - row.begin();
  };
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
    const std::span row = std::span(all).subspan(i * width, width);
    const std::span row_stored = std::span(all_stored).subspan(i * width, width);
    sums.kept += log_probability(row, ids[i + 1]);
    sums.stored += log_probability(row_stored, ids[i + 1]);
    sums.same += likeliest(row) == likeliest(row_stored) ? 1 : 0;
    ++sums.ids;
  }
}

}  // namespace

void bench_quality(const CommonOptions& options, const LanguageModel& model, const std::vector<std::string>& files,
                   const BenchPrinter& printer) {
  if (model.context->weights() == WeightStorage::stored) return;
  CommonOptions as_stored = options;
  as_stored.weights = name_of(WeightStorage::stored);
  const LanguageModel stored = open_bench_model(as_stored);
  Sums sums;
  for (const Ids& ids : read_pieces(model, files)) add_piece(model, stored, ids, sums);
  const auto count = static_cast<double>(std::max<std::int64_t>(sums.ids, 1));
  printer.print_result({{"bench", "quality"},
                        {"ids", sums.ids},
                        {"log_likelihood", sums.kept / count},
                        {"log_likelihood_stored", sums.stored / count},
                        {"percent_same_likeliest", 100 * static_cast<double>(sums.same) / count}});
}

}  // namespace tessera::cli
