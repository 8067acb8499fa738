#include "tokenizer/utf8.h"

#include <cstring>

namespace tessera::detail {
namespace {

std::uint8_t byte_at(std::string_view text, std::size_t at) { return static_cast<std::uint8_t>(text[at]); }

bool continues(std::uint8_t byte) { return (byte & 0xC0U) == 0x80U; }

/// Bytes of a character by its first one; 0 for a byte that begins none.
std::size_t length_of(std::uint8_t first) {
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 3;
  return first < 0xF5 ? 4 : 0;
}

/// The second byte is what tells overlong forms, surrogates and values beyond the last plane.
bool second_fits(std::uint8_t first, std::uint8_t second) {
  if (first == 0xE0) return second >= 0xA0 && second <= 0xBF;
  if (first == 0xED) return second >= 0x80 && second <= 0x9F;
  if (first == 0xF0) return second >= 0x90 && second <= 0xBF;
  if (first == 0xF4) return second >= 0x80 && second <= 0x8F;
  return continues(second);
}

bool eight_ascii(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return (word & 0x8080808080808080U) == 0;
}

}  // namespace

CodePoint code_point_at(std::string_view text, std::size_t at) {
  const std::uint8_t first = byte_at(text, at);
  const std::size_t bytes = length_of(first);
  if (bytes == 1) return {first, 1};
  char32_t value = first & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) value = value << 6U | (byte_at(text, at + i) & 0x3FU);
  return {value, bytes};
}

CodePoint code_point_before(std::string_view text, std::size_t at) {
  std::size_t start = at - 1;
  while (start > 0 && continues(byte_at(text, start))) --start;
  return code_point_at(text, start);
}

void append_utf8(std::string& text, char32_t value) {
  if (value < 0x80) {
    text += static_cast<char>(value);
    return;
  }
  const int more = value < 0x800 ? 1 : value < 0x10000 ? 2 : 3;
  text += static_cast<char>((0xF0U << static_cast<unsigned>(3 - more)) | (value >> static_cast<unsigned>(6 * more)));
  for (int i = more - 1; i >= 0; --i)
    text += static_cast<char>(0x80U | ((value >> static_cast<unsigned>(6 * i)) & 0x3FU));
}

Utf8Unit utf8_unit(std::string_view text) {
  const std::uint8_t first = byte_at(text, 0);
  const std::size_t length = length_of(first);
  if (length < 2) return {1, length == 1};
  if (text.size() < 2 || !second_fits(first, byte_at(text, 1))) return {1, false};
  std::size_t bytes = 2;
  while (bytes < length && bytes < text.size() && continues(byte_at(text, bytes))) ++bytes;
  return {bytes, bytes == length};
}

std::size_t valid_utf8_bytes(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (text.size() - at >= 8 && eight_ascii(text.data() + at)) {
      at += 8;
      continue;
    }
    const Utf8Unit unit = utf8_unit(text.substr(at));
    if (!unit.whole) return at;
    at += unit.bytes;
  }
  return at;
}

}  // namespace tessera::detail
