#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tessera::detail {

/// The character that stands for a byte in a byte-level vocabulary (as GPT-2 chose them): itself where it prints, else
/// the next free one from U+0100 on.
[[nodiscard]] char32_t byte_level_character(unsigned char byte);

/// The bytes that a token spells; nothing when a character stands for none.
[[nodiscard]] std::optional<std::string> byte_level_bytes(std::string_view token);

/// The byte of "<0x0A>"; nothing for any other token.
[[nodiscard]] std::optional<unsigned char> byte_token(std::string_view token);
/// "<0x0A>"
[[nodiscard]] std::string byte_token_name(unsigned char byte);

}  // namespace tessera::detail
