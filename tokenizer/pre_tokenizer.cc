#include "tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tokenizer/growth.h"
#include "tokenizer/json_fields.h"

namespace tessera::detail {
namespace {

/// What ByteLevel splits by when it does: the pattern of GPT-2.
constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::size_t kMaxSteps = 64;

using Parts = std::vector<std::pair<Span, bool>>;

SplitBehavior behavior_of(const JsonFields& fields) {
  const std::string name = fields.string("behavior");
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  throw CheckpointError(fields.path("behavior") + ": " + quote(name) + " is not known");
}

/// {"Regex": …} or {"String": …}
std::string regex_of(const JsonFields& pattern) {
  if (pattern.find("Regex") != nullptr) return pattern.string("Regex");
  return literal_pattern(pattern.string("String"));
}

void merge_with_previous(Parts& parts) {
  Parts merged;
  bool after_match = false;
  for (const auto& [span, match] : parts) {
    if (match && !after_match && !merged.empty()) {
      merged.back().first.end = span.end;
    } else {
      merged.emplace_back(span, match);
    }
    after_match = match;
  }
  parts = std::move(merged);
}

void merge_with_next(Parts& parts) {
  Parts merged;  // from the end
  bool before_match = false;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (part->second && !before_match && !merged.empty()) {
      merged.back().first.begin = part->first.begin;
    } else {
      merged.push_back(*part);
    }
    before_match = part->second;
  }
  parts.assign(merged.rbegin(), merged.rend());
}

void merge_alike(Parts& parts) {
  Parts merged;
  for (const auto& part : parts) {
    if (!merged.empty() && merged.back().second == part.second) {
      merged.back().first.end = part.first.end;
    } else {
      merged.push_back(part);
    }
  }
  parts = std::move(merged);
}

void arrange(Parts& parts, SplitBehavior behavior) {
  if (behavior == SplitBehavior::removed) std::erase_if(parts, [](const auto& part) { return part.second; });
  if (behavior == SplitBehavior::merged_with_previous) merge_with_previous(parts);
  if (behavior == SplitBehavior::merged_with_next) merge_with_next(parts);
  if (behavior == SplitBehavior::contiguous) merge_alike(parts);
}

/// Calls `take(span, is_match)` for matches and what lies between them; an empty match only cuts.
template <class Take>
void each_part(const Pattern& pattern, std::string_view text, PatternScratch& scratch, Take take) {
  std::size_t done = 0, at = 0;
  Span match{};
  while (at <= text.size() && pattern.find(text, at, match, scratch)) {
    if (match.begin > done) take(Span{done, match.begin}, false);
    if (match.end > match.begin) take(match, true);
    done = match.end;
    at = match.end;
    if (match.end > match.begin) continue;
    do ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U);
  }
  if (done < text.size()) take(Span{done, text.size()}, false);
}

std::string_view slice(std::string_view text, Span span) { return text.substr(span.begin, span.end - span.begin); }

}  // namespace

PreTokenizer::PreTokenizer(const nlohmann::json* value, const std::string& where) {
  if (value != nullptr) add(JsonFields(*value, where));
}

void PreTokenizer::add(const JsonFields& fields) {
  const std::string type = fields.string("type");
  if (steps_.size() > kMaxSteps) fields.refuse("has too many steps");
  if (type == "Sequence") {
    for (const auto& part : fields.array("pretokenizers")) add(JsonFields(part, fields.path("pretokenizers")));
  } else if (type == "Split") {
    const JsonFields pattern = fields.object("pattern");
    add_split(regex_of(pattern), pattern.where(), behavior_of(fields), fields.boolean("invert", false));
  } else if (type == "Digits") {
    const bool alone = fields.boolean("individual_digits", false);
    add_split("\\p{N}", fields.where(), alone ? SplitBehavior::isolated : SplitBehavior::contiguous);
  } else if (type == "ByteLevel") {
    add_byte_level(fields);
  } else if (type == "Metaspace") {
    add_metaspace(fields);
  } else if (type == "WhitespaceSplit") {
    add_split("\\s", fields.where(), SplitBehavior::removed);
  } else {
    throw CheckpointError(fields.path("type") + ": " + quote(type) + " is not supported");
  }
}

void PreTokenizer::add_split(const std::string& regex, const std::string& where, SplitBehavior behavior, bool invert) {
  Step step{Step::Kind::split, {}, behavior, invert, {}};
  step.pattern.emplace_back(regex, where);
  steps_.push_back(std::move(step));
}

void PreTokenizer::add_byte_level(const JsonFields& fields) {
  byte_level_ = true;
  if (fields.boolean("add_prefix_space", true)) steps_.push_back({Step::Kind::prefix_blank, {}, {}, false, {}});
  if (fields.boolean("use_regex", true)) add_split(kGpt2, fields.where(), SplitBehavior::isolated);
}

void PreTokenizer::add_metaspace(const JsonFields& fields) {
  Step step{Step::Kind::metaspace, {}, {}, false, fields.string("replacement", "\u2581")};
  const std::string scheme = fields.string("prepend_scheme", "always");
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    throw CheckpointError(fields.path("prepend_scheme") + ": " + quote(scheme) + " is not known");
  }
  step.always = scheme == "always";
  step.only_first = scheme == "first";
  const std::string blank = step.replacement;
  steps_.push_back(std::move(step));
  if (fields.boolean("split", true)) {
    add_split(literal_pattern(blank), fields.where(), SplitBehavior::merged_with_next);
  }
}

void PreTokenizer::split(std::string_view text, bool first, Scratch& scratch, WordSink& sink) const {
  scratch.changed.resize(steps_.size());
  scratch.parts.resize(steps_.size());
  scratch.limit = growth_limit(text.size());
  run(0, text, first, scratch, sink);
}

void PreTokenizer::run(std::size_t step, std::string_view text, bool first, Scratch& scratch, WordSink& sink) const {
  if (text.empty()) return;
  if (step == steps_.size()) return sink.word(text);
  switch (steps_[step].kind) {
    case Step::Kind::prefix_blank:
      return blank_in_front(step, text, first, scratch, sink);
    case Step::Kind::metaspace:
      return metaspace(step, text, first, scratch, sink);
    case Step::Kind::split:
      break;
  }
  const bool isolated = steps_[step].behavior == SplitBehavior::isolated;
  isolated ? split_isolated(step, text, first, scratch, sink) : split_parts(step, text, first, scratch, sink);
}

void PreTokenizer::split_isolated(std::size_t step, std::string_view text, bool first, Scratch& scratch,
                                  WordSink& sink) const {
  each_part(steps_[step].pattern.front(), text, scratch.pattern,
            [&](Span span, bool) { run(step + 1, slice(text, span), first && span.begin == 0, scratch, sink); });
}

void PreTokenizer::split_parts(std::size_t step, std::string_view text, bool first, Scratch& scratch,
                               WordSink& sink) const {
  const Step& rule = steps_[step];
  Parts& parts = scratch.parts[step];
  parts.clear();
  each_part(rule.pattern.front(), text, scratch.pattern,
            [&](Span span, bool match) { parts.emplace_back(span, match != rule.invert); });
  arrange(parts, rule.behavior);
  for (const auto& [span, match] : parts) run(step + 1, slice(text, span), first && span.begin == 0, scratch, sink);
}

void PreTokenizer::blank_in_front(std::size_t step, std::string_view text, bool first, Scratch& scratch,
                                  WordSink& sink) const {
  if (text.front() == ' ') return run(step + 1, text, first, scratch, sink);
  std::string& changed = scratch.changed[step];
  changed.assign(" ").append(text);
  run(step + 1, changed, first, scratch, sink);
}

void PreTokenizer::metaspace(std::size_t step, std::string_view text, bool first, Scratch& scratch,
                             WordSink& sink) const {
  const Step& rule = steps_[step];
  std::string& changed = scratch.changed[step];
  changed.clear();
  const bool prepend = rule.always || (rule.only_first && first);
  const bool has = text.front() == ' ' || text.starts_with(rule.replacement);
  if (prepend && !has) changed += rule.replacement;
  const auto blanks = static_cast<std::size_t>(std::count(text.begin(), text.end(), ' '));
  check_growth(changed.size() + text.size() + blanks * rule.replacement.size(), scratch.limit);
  for (const char c : text) c == ' ' ? changed += rule.replacement : changed += c;
  run(step + 1, changed, first, scratch, sink);
}

}  // namespace tessera::detail
