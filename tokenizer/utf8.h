#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tessera::detail {

/// A code point and the bytes it takes.
struct CodePoint {
  char32_t value;
  std::size_t bytes;
};

/// The code point at `at` of valid UTF-8.
[[nodiscard]] CodePoint code_point_at(std::string_view text, std::size_t at);
/// The code point that ends before `at` (> 0) of valid UTF-8.
[[nodiscard]] CodePoint code_point_before(std::string_view text, std::size_t at);
void append_utf8(std::string& text, char32_t value);

/// Bytes of the longest beginning of a character at the start of `text` (1 where there is none), and whether it is a
/// whole one. Surrogates, overlong forms and what is beyond U+10FFFF begin no character.
struct Utf8Unit {
  std::size_t bytes;
  bool whole;
};
[[nodiscard]] Utf8Unit utf8_unit(std::string_view text);

/// Bytes in front of the first that is not part of a character; text.size() when all is well.
[[nodiscard]] std::size_t valid_utf8_bytes(std::string_view text);

}  // namespace tessera::detail
