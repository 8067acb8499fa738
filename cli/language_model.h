#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/options.h"
#include "model/draft.h"
#include "model/generation_config.h"
#include "tokenizer/text.h"
#include "tokenizer/vocabulary.h"

namespace tessera::cli {

/// A language model's folder and what lies in it.
struct LanguageModel {
  std::string path;
  std::unique_ptr<Context> context;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<DraftSource> drafts;       ///< null when none were asked for
  int draft_layers = 0;                      ///< of multi-token prediction
  std::unique_ptr<TextTokenizer> tokenizer;  ///< null when the folder has none
  GenerationConfig generation;
};

/// True when `path` is the folder of a language model (see read_decoder_config) or text tokenizer, or a tokenizer's
/// file: text goes in.
[[nodiscard]] bool is_text_model(const std::string& path);
/// True when `path` is, or the folder has, a text tokenizer.
[[nodiscard]] bool has_tokenizer(const std::string& path);
/// The tokenizer of such a path; null when the folder has none. Throws CheckpointError.
[[nodiscard]] std::unique_ptr<TextTokenizer> open_tokenizer(const std::string& path);
/// The id contract of such a path. Throws CheckpointError.
[[nodiscard]] Vocabulary open_vocabulary(const std::string& path);

/// What `inspect` says of such a path: sizes from config.json alone, weights are not read. Throws CheckpointError.
[[nodiscard]] nlohmann::ordered_json describe_text_model(const std::string& path);

/// --model or TESSERA_MODEL. Throws UsageError when neither is given, CheckpointError.
[[nodiscard]] LanguageModel open_language_model(const CommonOptions& options);
/// The checkpoint's layers of multi-token prediction become its drafts, where there are any. Throws CheckpointError.
void open_draft_layers(LanguageModel& model);

}  // namespace tessera::cli
