#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/pattern.h"

namespace tessera::detail {

class JsonFields;

/// Takes the words of a text in order.
class WordSink {
 public:
  virtual ~WordSink() = default;
  virtual void word(std::string_view word) = 0;
};

/// What becomes of the matches of a split pattern.
enum class SplitBehavior { isolated, removed, merged_with_previous, merged_with_next, contiguous };

/// Cuts text into the words that are encoded each alone: the `pre_tokenizer` of a tokenizer.json. Split, Digits,
/// ByteLevel, Metaspace and WhitespaceSplit, and sequences of them. Immutable.
class PreTokenizer {
 public:
  /// What a step and the ones behind it need while a text is cut: one a thread.
  struct Scratch {
    PatternScratch pattern;
    std::vector<std::string> changed;                       // a step's own text
    std::vector<std::vector<std::pair<Span, bool>>> parts;  // of a step, and whether each is a match
    std::size_t limit = 0;                                  // bytes a text may have, see growth.h
  };

  PreTokenizer() = default;
  /// `value`: the JSON object, or null for none. Throws CheckpointError.
  PreTokenizer(const nlohmann::json* value, const std::string& where);

  /// `first`: this text begins the whole input. Throws InputError("split_limit"), ("text_growth").
  void split(std::string_view text, bool first, Scratch& scratch, WordSink& sink) const;
  /// True when words are bytes, each spelled as a character of its own in the vocabulary.
  [[nodiscard]] bool byte_level() const noexcept { return byte_level_; }

 private:
  struct Step {
    enum class Kind { split, prefix_blank, metaspace } kind;
    std::vector<Pattern> pattern;  // one, for a split
    SplitBehavior behavior = SplitBehavior::isolated;
    bool invert = false;
    std::string replacement;  // of metaspace
    bool always = false, only_first = false;
  };
  void add(const JsonFields& fields);
  void add_split(const std::string& regex, const std::string& where, SplitBehavior behavior, bool invert = false);
  void add_byte_level(const JsonFields& fields);
  void add_metaspace(const JsonFields& fields);
  void run(std::size_t step, std::string_view text, bool first, Scratch& scratch, WordSink& sink) const;
  void split_isolated(std::size_t step, std::string_view text, bool first, Scratch& scratch, WordSink& sink) const;
  void split_parts(std::size_t step, std::string_view text, bool first, Scratch& scratch, WordSink& sink) const;
  void blank_in_front(std::size_t step, std::string_view text, bool first, Scratch& scratch, WordSink& sink) const;
  void metaspace(std::size_t step, std::string_view text, bool first, Scratch& scratch, WordSink& sink) const;

  std::vector<Step> steps_;
  bool byte_level_ = false;
};

}  // namespace tessera::detail
