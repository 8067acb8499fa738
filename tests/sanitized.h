#pragma once

namespace tessera {

/// Sanitizers make everything many times slower: tests show them one of several cases of the same code, and no long
/// ones. Release builds run all.
#if defined(TESSERA_SANITIZED)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace tessera
