#pragma once

#include <string>
#include <string_view>

namespace tessera::detail {

/// White space: the code points of \s in the reference's patterns.
[[nodiscard]] bool is_space(char32_t value);

/// Canonical composition (NFC) as the `tokenizers` package does it, of valid UTF-8. Returns `text` itself when nothing
/// changes, else a view of `storage`.
[[nodiscard]] std::string_view nfc(std::string_view text, std::string& storage);

/// What a general category ("L", "Lu") or the script "Han" has beyond Unicode 14, as items of a character class:
/// "\x{1c89}\x{a7cb}-\x{a7cc}". Empty for a name that is neither, or has no more.
[[nodiscard]] std::string later_members(std::string_view name);

}  // namespace tessera::detail
