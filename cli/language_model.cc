#include "cli/language_model.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/session.h"
#include "cli/terminal.h"
#include "cli/usage_error.h"
#include "kernels/error.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool is_tokenizer_file(const fs::path& path) {
  return path.filename() == "tokenizer.json" || path.extension() == ".model";
}

std::string config_text(const fs::path& folder) {
  std::ifstream file(folder / "config.json", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool is_decoder_folder(const fs::path& folder) {
  const Config config = Config::read(folder);
  return config.has("model_type") && is_decoder_type(config.string("model_type"));
}

std::int64_t count_layers(const DecoderConfig& config, bool (*has)(const DecoderLayerConfig&)) {
  return std::count_if(config.layers.begin(), config.layers.end(), has);
}

void add_decoder(ordered_json& json, const std::string& path) {
  const DecoderConfig config = read_decoder_config(Config::read(path));
  json["family"] = config.family;
  json["vocabulary"] = config.vocabulary;
  json["hidden"] = config.hidden;
  json["positions"] = config.positions;
  json["layers"] = config.layers.size();
  json["windowed_layers"] = count_layers(config, [](const auto& layer) { return layer.attention.left >= 0; });
  json["mixture_layers"] = count_layers(config, [](const auto& layer) { return layer.mixture.has_value(); });
}

}  // namespace

bool has_tokenizer(const std::string& path) {
  return is_tokenizer_file(path) || is_there(fs::path(path) / "tokenizer.json") ||
         is_there(fs::path(path) / "tokenizer.model");
}

bool is_text_model(const std::string& path) {
  if (is_tokenizer_file(path) || !is_there(fs::path(path) / "config.json")) return has_tokenizer(path);
  return is_decoder_folder(path);
}

std::unique_ptr<TextTokenizer> open_tokenizer(const std::string& path) {
  return has_tokenizer(path) ? load_text_tokenizer(path) : nullptr;
}

Vocabulary open_vocabulary(const std::string& path) {
  const auto tokenizer = open_tokenizer(path);
  const std::string config = is_tokenizer_file(path) ? "" : config_text(path);
  if (tokenizer) return model_vocabulary(*tokenizer, config, path);
  const std::int64_t size = read_decoder_config(Config::read(path)).vocabulary;
  return {size, {{{0, size}, "text", "", -1, -1, false}}, {}};
}

ordered_json describe_text_model(const std::string& path) {
  ordered_json json{{"input", path}, {"status", "ok"}, {"kind", "checkpoint"}};
  if (!is_tokenizer_file(path) && is_there(fs::path(path) / "config.json")) add_decoder(json, path);
  if (const auto tokenizer = open_tokenizer(path)) json["tokens"] = tokenizer->size();
  return json;
}

LanguageModel open_language_model(const CommonOptions& options) {
  LanguageModel model;
  model.path = named_model(options);
  if (model.path.empty()) {
    throw UsageError("no language model comes with the program: name a checkpoint's folder with --model");
  }
  model.context = make_context(options);
  model.decoder = load_decoder(*model.context, model.path);
  model.tokenizer = open_tokenizer(model.path);
  model.generation = read_generation_config(model.path);
  if (options.verbose) {
    const DecoderConfig& config = model.decoder->config();
    say("tessera: " + model.path + ": " + config.family + ", " + std::to_string(config.layers.size()) + " layers, " +
        std::to_string(model.decoder->parameters()) + " parameters, " + name_of(model.context->isa()) + ", " +
        std::to_string(model.context->threads()) + " threads\n");
  }
  return model;
}

void open_draft_layers(LanguageModel& model) {
  auto layers = load_drafts(*model.context, model.path, *model.decoder);
  if (!layers) return;
  model.draft_layers = layers->layers();
  model.drafts = std::move(layers);
}

}  // namespace tessera::cli
