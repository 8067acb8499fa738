#include "tokenizer/normalizer.h"

#include <nlohmann/json.hpp>

#include "tokenizer/growth.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/unicode.h"

namespace tessera::detail {
namespace {

constexpr std::size_t kMaxNormalizers = 64;

std::string_view replace_all(const Pattern& pattern, const std::string& content, std::string_view text,
                             std::string& storage, Normalizer::Scratch& scratch) {
  Span match{};
  std::size_t done = 0;
  if (!pattern.find(text, 0, match, scratch.pattern)) return text;
  storage.clear();
  do {
    if (match.end == match.begin) break;  // what matches nothing is not replaced
    storage.append(text, done, match.begin - done).append(content);
    check_growth(storage.size(), scratch.limit);
    done = match.end;
  } while (pattern.find(text, done, match, scratch.pattern));
  storage.append(text, done);
  return storage;
}

}  // namespace

Normalizer::Normalizer(const nlohmann::json* value, const std::string& where) {
  if (value != nullptr) add(JsonFields(*value, where));
}

void Normalizer::add(const JsonFields& fields) {
  const std::string type = fields.string("type");
  if (steps_.size() > kMaxNormalizers) fields.refuse("has too many steps");
  if (type == "Sequence") {
    for (const auto& part : fields.array("normalizers")) add(JsonFields(part, fields.path("normalizers")));
  } else if (type == "NFC") {
    steps_.push_back({Step::Kind::nfc, {}, {}});
  } else if (type == "Prepend") {
    steps_.push_back({Step::Kind::prepend, {}, fields.string("prepend")});
  } else if (type == "Replace") {
    const JsonFields pattern = fields.object("pattern");
    const bool regex = pattern.find("Regex") != nullptr;
    Step step{Step::Kind::replace, {}, fields.string("content")};
    step.pattern.emplace_back(regex ? pattern.string("Regex") : literal_pattern(pattern.string("String")),
                              pattern.where());
    steps_.push_back(std::move(step));
  } else {
    throw CheckpointError(fields.path("type") + ": " + quote(type) + " is not supported");
  }
}

std::string_view Normalizer::apply(const Step& step, std::string_view text, std::string& storage,
                                   Scratch& scratch) const {
  if (text.empty()) return text;
  if (step.kind == Step::Kind::nfc) return nfc(text, storage);
  if (step.kind == Step::Kind::replace) return replace_all(step.pattern.front(), step.content, text, storage, scratch);
  check_growth(step.content.size() + text.size(), scratch.limit);
  storage.assign(step.content).append(text);
  return storage;
}

std::string_view Normalizer::apply(std::string_view text, Scratch& scratch) const {
  scratch.limit = growth_limit(text.size());
  std::size_t turn = 0;  // the storage that `text` is not in
  for (const Step& step : steps_) {
    const std::string_view changed = apply(step, text, scratch.text[turn], scratch);
    if (changed.data() != text.data()) turn = 1 - turn;
    text = changed;
  }
  return text;
}

}  // namespace tessera::detail
