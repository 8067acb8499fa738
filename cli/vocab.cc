#include <nlohmann/json.hpp>

#include "cli/codes_record.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/language_model.h"
#include "cli/output.h"
#include "cli/picture_model.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "cli/usage_error.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;

Vocabulary vocabulary_of(const CommonOptions& options) {
  const std::string named = named_model(options);
  if (!named.empty() && (has_tokenizer(named) || is_text_model(named))) return open_vocabulary(named);
  if (!is_picture_model(options)) return codec_vocabulary(open_session(options).codec->info().codebook_sizes, "audio");
  const auto context = make_context(options);
  return codec_vocabulary(open_picture_model(*context, model_path(options)).codec->info().codebook_sizes, "image");
}

std::string vocabulary_text(const Vocabulary& vocabulary) {
  std::string text = std::to_string(vocabulary.size()) + " ids, " +
                     (vocabulary.pattern() ? "multi-level: levels with tables of their own share positions\n"
                                           : "flat: every code of every level has its own\n");
  for (const VocabularyRange& range : vocabulary.ranges()) {
    text += range.name + "\t" + std::to_string(range.first) + " to " + std::to_string(range.first + range.count - 1) +
            "\t" + std::to_string(range.count) + (range.codec.empty() ? " ids\n" : " codes\n");
  }
  for (const auto& [name, id] : vocabulary.specials()) text += std::to_string(id) + "\t" + name + "\n";
  return text;
}

std::int64_t read_id(const std::string& text) {
  const bool digits = !text.empty() && text.size() <= 18 && text.find_first_not_of("0123456789") == text.npos;
  if (!digits) throw UsageError("\"" + text + "\" is not an id");
  return std::stoll(text);
}

class Vocab final : public Command {
 public:
  void declare(OptionList& list) override {
    list.positional("ID", ids_, "ids to explain");
    declare_common(list, common_);
  }

  int run() override {
    check_common(common_);
    std::vector<std::int64_t> ids;
    for (const std::string& id : ids_) ids.push_back(read_id(id));
    refuse_existing(common_.output, common_.overwrite);
    const Vocabulary vocabulary = vocabulary_of(common_);
    output_ = std::make_unique<LineOutput>(common_.output, common_.overwrite);
    if (ids.empty()) output_->write(common_.json ? to_json(vocabulary) + "\n" : vocabulary_text(vocabulary));
    for (const std::int64_t id : ids) explain(vocabulary, id);
    output_->finish();
    return any_bad_ ? kBadInput : kDone;
  }

 private:
  void explain(const Vocabulary& vocabulary, std::int64_t id) {
    const VocabularyRange* range = vocabulary.range_of(id);
    const std::string special = vocabulary.special_name(id);
    if (range == nullptr && special.empty() && id >= vocabulary.size()) return unknown(vocabulary, id);
    output_->write(common_.json ? line_of(explained_json(id, range, special)) : explained_text(id, range, special));
  }

  static ordered_json explained_json(std::int64_t id, const VocabularyRange* range, const std::string& special) {
    ordered_json line{{"id", id}};
    if (range != nullptr) line["name"] = range->name;
    if (!special.empty()) line["special"] = special;
    if (range == nullptr || range->codec.empty()) return line;
    line["codec"] = range->codec;
    line["level"] = range->level;
    line["code"] = id - range->first;
    return line;
  }

  static std::string explained_text(std::int64_t id, const VocabularyRange* range, const std::string& special) {
    std::string text = std::to_string(id);
    if (range != nullptr) text += "\t" + range->name;
    if (range != nullptr && !range->codec.empty()) text += "\tcode " + std::to_string(id - range->first);
    if (!special.empty()) text += "\t" + special;
    return text + (range == nullptr && special.empty() ? "\tunused\n" : "\n");
  }

  void unknown(const Vocabulary& vocabulary, std::int64_t id) {
    any_bad_ = true;
    const std::string message =
        std::to_string(id) + ": no such id: the vocabulary has " + std::to_string(vocabulary.size());
    complain(message);
    if (!common_.json) return;
    output_->write(line_of({{"id", id}, {"status", "error"}, {"error", message}, {"reason", "bad_id"}}));
  }

  CommonOptions common_;
  std::vector<std::string> ids_;
  std::unique_ptr<LineOutput> output_;
  bool any_bad_ = false;
};

}  // namespace

const CommandInfo kVocab = {
    "vocab",
    "[ID...]",
    "the id contract",
    "Prints the ranges of ids that a checkpoint uses, or explains single ids. A codec alone has a flat vocabulary: its "
    "levels follow each other, so that id = first of the level + code. A language model's are read from the names of "
    "its tokenizer's tokens (Chameleon, Emu3, Orpheus) or its config.json (MiMo-Audio).",
    "  tessera vocab --json\n"
    "  tessera vocab 0 1024\n",
    false,
    [] { return std::unique_ptr<Command>(std::make_unique<Vocab>()); },
};

}  // namespace tessera::cli
