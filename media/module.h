#pragma once

#include <string>

namespace tessera::media {

// Libraries that bring hundreds of others with them are not linked: the code that uses them is a module of its own,
// which is loaded when a file needs it. It is looked for beside the program or library this code is in, in its
// lib/tessera after an installation, and in TESSERA_MODULES.

/// The address of `symbol` in `module`, for reading or writing `file`; `purpose` ends "which …" in the message.
/// Throws InputError("missing_module").
[[nodiscard]] void* load_symbol(const char* module, const char* symbol, const char* purpose, const std::string& file);

}  // namespace tessera::media
