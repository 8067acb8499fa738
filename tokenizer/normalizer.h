#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/pattern.h"

namespace tessera::detail {

class JsonFields;

/// The `normalizer` of a tokenizer.json: NFC, Prepend, Replace, and sequences of them. Immutable.
class Normalizer {
 public:
  struct Scratch {
    PatternScratch pattern;
    std::string text[2];
    std::size_t limit = 0;  // bytes a text may have, see growth.h
  };

  Normalizer() = default;
  /// `value`: the JSON object, or null for none. Throws CheckpointError.
  Normalizer(const nlohmann::json* value, const std::string& where);

  /// `text` itself when nothing changes, else a view of `scratch`. Throws InputError("split_limit"), ("text_growth").
  [[nodiscard]] std::string_view apply(std::string_view text, Scratch& scratch) const;

 private:
  struct Step {
    enum class Kind { nfc, prepend, replace } kind;
    std::vector<Pattern> pattern;  // one, for replace
    std::string content;
  };
  void add(const JsonFields& fields);
  std::string_view apply(const Step& step, std::string_view text, std::string& storage, Scratch& scratch) const;

  std::vector<Step> steps_;
};

}  // namespace tessera::detail
