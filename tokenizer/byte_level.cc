#include "tokenizer/byte_level.h"

#include <array>
#include <charconv>

#include "tokenizer/utf8.h"

namespace tessera::detail {
namespace {

constexpr int kCharacters = 0x144;

bool prints(int byte) { return (byte > 32 && byte < 127) || (byte > 160 && byte < 256 && byte != 173); }

struct ByteMap {
  ByteMap() {
    bytes.fill(-1);
    int next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const int character = prints(byte) ? byte : next++;
      characters[static_cast<std::size_t>(byte)] = static_cast<char32_t>(character);
      bytes[static_cast<std::size_t>(character)] = byte;
    }
  }
  std::array<char32_t, 256> characters;
  std::array<int, kCharacters> bytes;
};

const ByteMap& byte_map() {
  static const ByteMap map;
  return map;
}

}  // namespace

char32_t byte_level_character(unsigned char byte) { return byte_map().characters[byte]; }

std::optional<std::string> byte_level_bytes(std::string_view token) {
  std::string bytes;
  for (std::size_t at = 0; at < token.size();) {
    const CodePoint point = code_point_at(token, at);
    const int byte = point.value < kCharacters ? byte_map().bytes[point.value] : -1;
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
    at += point.bytes;
  }
  return bytes;
}

std::optional<unsigned char> byte_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  unsigned value = 0;
  const char* end = token.data() + 5;
  const auto [stop, error] = std::from_chars(token.data() + 3, end, value, 16);
  if (error != std::errc() || stop != end) return std::nullopt;
  return static_cast<unsigned char>(value);
}

std::string byte_token_name(unsigned char byte) {
  constexpr const char* digits = "0123456789ABCDEF";
  return {'<', '0', 'x', digits[byte >> 4U], digits[byte & 15U], '>'};
}

}  // namespace tessera::detail
