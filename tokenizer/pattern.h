#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace tessera::detail {

/// Work memory of searches: one a thread.
class PatternScratch {
 public:
  PatternScratch();
  ~PatternScratch();
  PatternScratch(PatternScratch&&) noexcept;
  PatternScratch& operator=(PatternScratch&&) noexcept;

 private:
  friend class Pattern;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Bytes `begin` … `end - 1`.
struct Span {
  std::size_t begin;
  std::size_t end;
};

/// A regular expression of a tokenizer.json, which is in Oniguruma's syntax, run by PCRE2 (UTF-8, compiled to machine
/// code). Immutable.
class Pattern {
 public:
  /// Throws CheckpointError that begins with `where`: a mistake in it, an element that means another thing to PCRE2, or
  /// a build without PCRE2.
  Pattern(std::string_view regex, const std::string& where);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  /// The leftmost match from byte `from` of `text` (valid UTF-8) on; false when there is none.
  /// Throws InputError("split_limit") when the text needs more backtracking than is sane.
  [[nodiscard]] bool find(std::string_view text, std::size_t from, Span& match, PatternScratch& scratch) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The same expression for PCRE2: \s, \w, \d and \p{…} become classes of exactly the reference's code points.
/// Throws CheckpointError that begins with `where`.
[[nodiscard]] std::string pcre2_syntax(std::string_view oniguruma, const std::string& where);

/// `text` as an expression that matches just it.
[[nodiscard]] std::string literal_pattern(std::string_view text);

}  // namespace tessera::detail
