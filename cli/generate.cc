#include "model/generate.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/codes_record.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/language_model.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "cli/text_files.h"
#include "cli/text_stops.h"
#include "cli/usage_error.h"
#include "kernels/error.h"
#include "model/lookup.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

std::int32_t read_id(std::string_view text) {
  std::int32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw InputError("bad_ids", "--prompt-ids: \"" + std::string(text) + "\" is not an id");
  }
  return id;
}

/// Ids between commas or blanks.
std::vector<std::int32_t> read_ids(std::string_view text) {
  constexpr std::string_view kBlanks = ", \t\r\n";
  std::vector<std::int32_t> ids;
  while (true) {
    const std::size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return ids;
    text.remove_prefix(first);
    const std::size_t length = std::min(text.find_first_of(kBlanks), text.size());
    ids.push_back(read_id(text.substr(0, length)));
    text.remove_prefix(length);
  }
}

ordered_json finite_or_null(double value) { return std::isfinite(value) ? ordered_json(value) : ordered_json(); }

class Generate final : public Command {
 public:
  void declare(OptionList& list) override;
  int run() override;

 private:
  void check() const;
  [[nodiscard]] std::vector<std::int32_t> read_prompt() const;
  void sort_stops();
  [[nodiscard]] GenerateOptions generate_options() const;
  void open_drafts();
  void continue_prompt(Generation& generation);
  void tell(const std::string& text);
  [[nodiscard]] ordered_json result(const Generation& generation) const;
  [[nodiscard]] ordered_json scores_of(const Generation& generation) const;

  CommonOptions common_;
  std::vector<std::string> prompt_;
  std::string prompt_ids_;
  std::vector<std::string> audio_;
  std::vector<std::string> images_;
  std::string to_ = "text";
  int max_tokens_ = 256;
  std::optional<double> temperature_;
  int top_k_ = -1;
  std::optional<double> top_p_;
  std::optional<double> min_p_;
  std::optional<double> repetition_penalty_;
  double presence_penalty_ = 0;
  double frequency_penalty_ = 0;
  std::vector<std::string> stops_;
  std::string mtp_ = "auto";
  int context_ = 0;
  bool log_probabilities_ = false;
  bool echo_ = false;

  LanguageModel model_;
  std::vector<std::int32_t> stop_ids_;
  std::vector<std::string> stop_texts_;
  double first_seconds_ = 0;
  std::string text_;
  std::unique_ptr<LineOutput> output_;
};

void Generate::declare(OptionList& list) {
  list.positional("PROMPT", prompt_, "the text to continue; - is standard input");
  list.text("--prompt-ids", "IDS|@FILE", prompt_ids_,
            "raw ids between commas or blanks in place of a text; nothing is added");
  list.paths("--audio", "FILE", audio_, "a clip in the prompt; needs a model that has a range of ids for sound");
  list.paths("--image", "FILE", images_, "a picture in the prompt; needs a model that has a range of ids for pictures");
  list.choice("--to", to_, {"text", "audio", "image"}, "what comes out");
  list.integer("--max-tokens", "N", max_tokens_, 0, INT32_MAX, "most ids to generate");
  const auto recommended = [](Option& option, const char* otherwise) {
    option.default_text = std::string("as generation_config.json recommends, else ") + otherwise;
  };
  recommended(list.number("--temperature", "T", temperature_, 0, 1e6, "0 takes the likeliest id"), "0");
  recommended(list.integer("--top-k", "K", top_k_, -1, INT32_MAX, "draw from the K likeliest ids; 0: from all"), "0");
  recommended(list.number("--top-p", "P", top_p_, 1e-9, 1, "draw from the likeliest ids that make up P"), "1");
  recommended(list.number("--min-p", "P", min_p_, 0, 1, "leave out ids less likely than P times the likeliest"), "0");
  recommended(list.number("--repetition-penalty", "X", repetition_penalty_, 1e-9, 1e6,
                          "divide positive logits of ids that occurred, multiply negative ones"),
              "1");
  list.number("--presence-penalty", "X", presence_penalty_, -1e6, 1e6, "take X from the logits of generated ids");
  list.number("--frequency-penalty", "X", frequency_penalty_, -1e6, 1e6, "take X from them for each time");
  list.paths("--stop", "ID|TEXT", stops_, "end at this id, or in front of this text; may be given several times");
  list.text("--mtp", "auto|off|lookup|N", mtp_,
            "ids drafted a step by the layers of multi-token prediction, or by what followed the same ids before; the "
            "ids that come out are the same");
  list.integer("--context", "N", context_, 0, INT32_MAX, "most ids in all").default_text = "as config.json says";
  list.flag("--logprobs", log_probabilities_, "with --json: the natural log-probability of each id");
  list.flag("--echo", echo_, "the prompt too; with --logprobs its scores");
  declare_weights(list, common_);
  declare_common(list, common_);
}

void Generate::check() const {
  check_common(common_);
  const std::size_t prompts = prompt_.size() + (prompt_ids_.empty() ? 0 : 1);
  if (prompt_.size() > 1) throw UsageError("one PROMPT at a time: put quotation marks around the text");
  if (prompts != 1)
    throw UsageError(prompts == 0 ? "a PROMPT or --prompt-ids is missing" : "--prompt-ids goes without a PROMPT");
  const bool named = mtp_ == "auto" || mtp_ == "off" || mtp_ == "lookup";
  if (!named && (!is_number(mtp_) || mtp_.size() > 4)) {
    throw UsageError("--mtp: \"" + mtp_ + "\" is none of auto, off, lookup, N");
  }
  if (log_probabilities_ && !common_.json) throw UsageError("--logprobs needs --json");
  const bool media = !audio_.empty() || !images_.empty() || to_ != "text";
  if (media) throw UsageError("--audio, --image and --to: only text models generate yet");
}

std::vector<std::int32_t> Generate::read_prompt() const {
  if (!prompt_ids_.empty()) return read_ids(prompt_ids_[0] == '@' ? read_text(prompt_ids_.substr(1)) : prompt_ids_);
  if (!model_.tokenizer) {
    throw CheckpointError(model_.path + ": there is no tokenizer.json or tokenizer.model: give --prompt-ids");
  }
  const std::string text = prompt_.front() == "-" ? read_text("-") : prompt_.front();
  std::vector<std::int32_t> ids;
  model_.tokenizer->encode(text, ids, true);
  return ids;
}

/// Digits are an id, and so is a text that is one of the tokenizer's special tokens.
void Generate::sort_stops() {
  stop_ids_ = model_.generation.stops;
  for (const std::string& stop : stops_) {
    const auto special = model_.tokenizer ? model_.tokenizer->id_of(stop) : std::nullopt;
    if (is_number(stop)) {
      if (stop.size() > 9) throw UsageError("--stop: " + stop + " is larger than any id");
      stop_ids_.push_back(std::stoi(stop));
    } else if (special && model_.tokenizer->is_special(*special)) {
      stop_ids_.push_back(*special);
    } else if (!model_.tokenizer) {
      throw UsageError("--stop " + stop + ": the checkpoint has no tokenizer: give an id");
    } else if (!stop.empty()) {
      stop_texts_.push_back(stop);
    }
  }
}

GenerateOptions Generate::generate_options() const {
  GenerateOptions options;
  options.max_tokens = max_tokens_;
  options.context = context_;
  SamplerOptions& s = options.sampler;
  s = model_.generation.sampler;
  s.temperature = temperature_.value_or(s.temperature);
  s.top_k = top_k_ >= 0 ? top_k_ : s.top_k;
  s.top_p = top_p_.value_or(s.top_p);
  s.min_p = min_p_.value_or(s.min_p);
  s.repetition_penalty = repetition_penalty_.value_or(s.repetition_penalty);
  s.presence_penalty = presence_penalty_;
  s.frequency_penalty = frequency_penalty_;
  s.seed = static_cast<std::uint64_t>(common_.seed);
  options.stops = stop_ids_;
  options.log_probabilities = log_probabilities_;
  options.score_prompt = log_probabilities_ && echo_;
  if (mtp_ == "off") options.drafts = 0;
  if (is_number(mtp_)) options.drafts = std::stoi(mtp_);
  return options;
}

/// Drafts only change the speed: without being asked for by number, layers may be missing or of an unknown kind. Then
/// auto looks up.
void Generate::open_drafts() {
  if (mtp_ == "off" || mtp_ == "0" || max_tokens_ == 0) return;
  try {
    if (mtp_ != "lookup") open_draft_layers(model_);
  } catch (const CheckpointError& error) {
    if (mtp_ != "auto") throw;
    if (!common_.quiet) complain(std::string("warning: without layers of multi-token prediction: ") + error.what());
  }
  if (model_.drafts) return;
  if (is_number(mtp_)) {
    throw UsageError("--mtp " + mtp_ + ": " + model_.path + " has no layers of multi-token prediction");
  }
  model_.drafts = std::make_unique<LookupDrafts>();
}

void Generate::tell(const std::string& text) {
  text_ += text;
  if (!common_.json && !text.empty()) output_->write(text);
}

void Generate::continue_prompt(Generation& generation) {
  const auto start = std::chrono::steady_clock::now();
  TextStops stops(stop_texts_);
  std::optional<TextDecoder> decoder;
  if (model_.tokenizer) {
    decoder.emplace(*model_.tokenizer, true);
    // A continuation is read behind its prompt: blanks between words stay.
    for (const std::int32_t id : generation.prompt()) {
      const std::string text = decoder->push(id);
      if (echo_) tell(text);
    }
  } else if (echo_) {
    for (const std::int32_t id : generation.prompt()) tell(std::to_string(id) + " ");
  }
  bool first = true;
  generate(*model_.context, *model_.decoder, generation, [&](std::int32_t id) {
    if (std::exchange(first, false)) {
      first_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    tell(decoder ? stops.push(decoder->push(id)) : std::to_string(id) + " ");
    return !stops.found();
  });
  if (!stops.found() && decoder) tell(stops.push(decoder->finish()));
  tell(stops.finish());
}

/// Null for the first id of the prompt.
ordered_json Generate::scores_of(const Generation& generation) const {
  ordered_json scores = ordered_json::array();
  if (echo_) scores.push_back(nullptr);
  for (const double score : generation.prompt_scores()) scores.push_back(finite_or_null(score));
  for (const double score : generation.log_probabilities()) scores.push_back(finite_or_null(score));
  return scores;
}

ordered_json Generate::result(const Generation& generation) const {
  const auto generated = generation.generated();
  std::vector<std::int32_t> ids(generated.begin(), generated.end());
  if (echo_) ids.insert(ids.begin(), generation.prompt().begin(), generation.prompt().end());
  ordered_json json{{"prompt_tokens", generation.prompt().size()}, {"ids", ids}};
  if (log_probabilities_) json["logprobs"] = scores_of(generation);
  if (model_.tokenizer) json["text"] = text_;
  json["finish_reason"] = generation.end() == Generation::End::stop ? "stop" : "length";
  const double decode = generation.decode_seconds();
  const auto steps = static_cast<double>(generated.empty() ? 0 : generated.size() - 1);  // the first is the prompt's
  json["math"] = name_of(model_.context->math());
  json["weights"] = name_of(model_.context->weights());
  json["timing"] = {{"prefill_s", generation.prefill_seconds()},
                    {"first_token_s", first_seconds_},
                    {"decode_s", decode},
                    {"tokens_per_s", decode > 0 ? steps / decode : 0.0}};
  const DraftCounts counts = generation.draft_counts();
  json["mtp"] = {{"source", !model_.drafts            ? "none"
                            : model_.draft_layers > 0 ? "layers"
                                                      : "lookup"},
                 {"drafted", counts.drafted},
                 {"accepted", counts.accepted},
                 {"mean_accepted_length", counts.steps > 0 ? steps / static_cast<double>(counts.steps) : 0.0},
                 {"drafted_by_place", counts.drafted_at},
                 {"accepted_by_place", counts.accepted_at}};
  return json;
}

int Generate::run() {
  check();
  refuse_existing(common_.output, common_.overwrite);
  model_ = open_language_model(common_);
  sort_stops();
  open_drafts();
  try {
    Generation generation(*model_.context, *model_.decoder, model_.drafts.get(), read_prompt(), generate_options());
    output_ = std::make_unique<LineOutput>(common_.output, common_.overwrite);
    continue_prompt(generation);
    output_->write(common_.json ? line_of(result(generation)) : std::string("\n"));
    output_->finish();
  } catch (const InputError& error) {
    complain(error.what());
    if (common_.json)
      print(line_of(ordered_json{{"status", "error"}, {"error", error.what()}, {"reason", error.reason()}}));
    return kBadInput;
  }
  return kDone;
}

}  // namespace

const CommandInfo kGenerate = {
    "generate",
    "PROMPT",
    "continue a prompt with a language model",
    "Continues a text, or raw ids, with the language model in the folder --model (Llama, Qwen2, Qwen3, Qwen3-MoE, "
    "MiMo-V2-Flash, DeepSeek-V2 and -V3, LongCat-Flash in their public layout) and prints what comes as it comes: text"
    " where the folder has a tokenizer, else ids. With --json one line: ids, text, log-probabilities over the whole "
    "vocabulary (natural), times, and how many drafted ids were accepted. Drafts come from the checkpoint's layers of "
    "multi-token prediction (MiMo-V2-Flash, DeepSeek-V3, LongCat-Flash), or where there are none, or with --mtp "
    "lookup, from what followed the same few ids before. They are verified by the model itself, so that --mtp changes "
    "the speed and never the ids; auto drafts as many ids as pay on this machine, none when none do. What is drawn "
    "with a temperature depends on --seed, the position and the logits alone. More ids than there is memory for are "
    "refused at once. --echo --logprobs --max-tokens 0 scores a prompt.",
    "  tessera generate \"Once upon a time\" -m Qwen3-0.6B --max-tokens 100\n"
    "  tessera generate --prompt-ids 1,2,3 -m model/ --json --echo --logprobs --max-tokens 0\n",
    false,
    [] { return std::unique_ptr<Command>(std::make_unique<Generate>()); },
};

}  // namespace tessera::cli
