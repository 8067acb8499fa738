#include "cli/bench_subject.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "cli/session.h"
#include "model/names.h"

namespace tessera::cli {
namespace {

bool has_weights(const std::string& folder) {
  const auto is_weights = [](const auto& entry) { return entry.path().extension() == ".safetensors"; };
  const std::filesystem::directory_iterator files(folder);
  return std::any_of(begin(files), end(files), is_weights);
}

/// What says how many layers of multi-token prediction there are.
std::set<std::string, std::less<>> draft_tensors(const Config& config, const DecoderConfig& decoder) {
  std::set<std::string, std::less<>> names;
  if (!decoder.draft || !config.has("num_nextn_predict_layers")) return names;
  const auto layers = static_cast<int>(config.integer("num_nextn_predict_layers", 0, 64));
  for (int k = 0; k < layers; ++k) names.insert(draft_names(decoder, k).join);
  return names;
}

/// A folder of a config.json alone: speed does not depend on the weights.
LanguageModel random_model(const CommonOptions& options) {
  LanguageModel model;
  model.path = named_model(options);
  model.context = make_context(options);
  const Config config = Config::read(model.path);
  const bool narrow = config.has("torch_dtype") && config.string("torch_dtype") == "bfloat16";
  const DecoderConfig decoder = read_decoder_config(config);
  const auto drafts = draft_tensors(config, decoder);
  Checkpoint weights = Checkpoint::random(model.path, narrow ? DType::bf16 : DType::f32, drafts);
  model.decoder = std::make_unique<Decoder>(*model.context, weights, decoder);
  if (drafts.empty()) return model;
  auto layers = std::make_unique<DraftModel>(*model.context, weights, *model.decoder);
  model.draft_layers = layers->layers();
  model.drafts = std::move(layers);
  return model;
}

}  // namespace

LanguageModel open_bench_model(const CommonOptions& options) {
  const std::string folder = named_model(options);
  if (std::filesystem::exists(folder + "/config.json") && !has_weights(folder)) return random_model(options);
  LanguageModel model = open_language_model(options);
  open_draft_layers(model);
  return model;
}

std::vector<std::int32_t> some_ids(const DecoderConfig& config, std::int64_t count) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<std::int32_t>((i * 7919 + 13) % config.vocabulary));
  }
  return ids;
}

}  // namespace tessera::cli
