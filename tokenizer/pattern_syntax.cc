#include <algorithm>
#include <iterator>

#include "codec/checkpoint/json.h"
#include "kernels/error.h"
#include "tokenizer/pattern.h"
#include "tokenizer/unicode.h"

namespace tessera::detail {
namespace {

constexpr std::string_view kSpace = "\\t-\\r\\x{85}\\p{Z}";  // PCRE2's own \s has U+180E too
// Escapes that are the same to both: control characters, and anything that is not a letter or digit.
constexpr std::string_view kSameLetters = "tnrfvaAzZGb";

class Translator {
 public:
  Translator(std::string_view in, const std::string& where) : in_(in), where_(where) {}

  std::string run() {
    while (at_ < in_.size()) step();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw CheckpointError(where_ + ": " + what + " in a pattern is not supported");
  }

  [[nodiscard]] bool looking_at(std::string_view text) const { return in_.substr(at_).starts_with(text); }

  void copy(std::size_t count = 1) {
    out_ += in_.substr(at_, count);
    at_ += count;
  }

  void step() {
    if (in_[at_] == '\\') return escape();
    if (depth_ > 0 && looking_at("&&")) refuse("&&");
    if (looking_at("[:")) refuse("[:");
    if (depth_ == 0 && (looking_at("(?m") || looking_at("(?x") || looking_at("(?<") || looking_at("{,"))) {
      if (!looking_at("(?<=") && !looking_at("(?<!")) refuse(std::string(in_.substr(at_, in_[at_] == '{' ? 2 : 3)));
    }
    if (depth_ == 0 && looking_at("(*")) refuse("(*");  // PCRE2's verbs; in the reference a mistake
    if (depth_ == 0 && looking_at("(?") && !known_group()) refuse("this kind of group, " + quote(in_.substr(at_, 4)));
    if (in_[at_] == '[') return open_class();
    if (in_[at_] == ']' && depth_ > 0) --depth_;
    copy();
  }

  /// Groups that are the same to both. PCRE2 has many more: calls of groups, conditions, callouts.
  [[nodiscard]] bool known_group() const {
    constexpr std::string_view kinds[] = {"(?:",  "(?=",  "(?!",   "(?>",   "(?<=", "(?<!",
                                          "(?i)", "(?i:", "(?-i)", "(?-i:", "(?#"};
    return std::any_of(std::begin(kinds), std::end(kinds), [&](std::string_view kind) { return looking_at(kind); });
  }

  void open_class() {
    if (++depth_ > 1) refuse("a class in a class");
    copy();
    if (looking_at("^")) copy();
  }

  void escape() {
    if (at_ + 1 == in_.size()) refuse("a backslash at the end");
    const char kind = in_[at_ + 1];
    const bool letter = (kind >= 'a' && kind <= 'z') || (kind >= 'A' && kind <= 'Z');
    if (kind == 'p' || kind == 'P') return property();
    if (kind == 'x' || (!letter && (kind < '0' || kind > '9'))) return copy(2);
    if (!letter) refuse(std::string("\\") + kind);
    if (shorthand(kind)) return;
    if (kSameLetters.find(kind) == kSameLetters.npos) refuse(std::string("\\") + kind);
    copy(2);
  }

  /// \s, \d, \w and, outside of a class, their negations.
  bool shorthand(char kind) {
    std::string items;
    const char lower = static_cast<char>(kind | 0x20);
    if (lower == 's') items = kSpace;
    if (lower == 'd') items = members("Nd");
    if (lower == 'w') items = members("L") + members("M") + members("N") + members("Pc");
    if (items.empty()) return false;
    put(items, kind != lower);
    at_ += 2;
    return true;
  }

  void property() {
    const std::size_t end = in_.find('}', at_);
    if (in_.size() < at_ + 4 || in_[at_ + 2] != '{' || end == in_.npos) refuse("\\p without {…}");
    std::string_view name = in_.substr(at_ + 3, end - at_ - 3);
    bool negated = in_[at_ + 1] == 'P';
    if (name.starts_with('^')) {
      name.remove_prefix(1);
      negated = !negated;
    }
    put(members(std::string(name)), negated);
    at_ = end + 1;
  }

  [[nodiscard]] static std::string members(const std::string& name) {
    return "\\p{" + name + "}" + later_members(name);
  }

  void put(const std::string& items, bool negated) {
    if (depth_ > 0 && negated) refuse("a negated set inside a class");
    if (depth_ > 0) {
      out_ += items;
    } else {
      out_ += (negated ? "[^" : "[") + items + "]";
    }
  }

  std::string_view in_;
  const std::string& where_;
  std::string out_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string pcre2_syntax(std::string_view oniguruma, const std::string& where) {
  return Translator(oniguruma, where).run();
}

std::string literal_pattern(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 &&
        std::string_view("\\^$.[]|()?*+{}#-").find(c) != std::string_view::npos) {
      pattern += '\\';
    }
    pattern += c;
  }
  return pattern;
}

}  // namespace tessera::detail
