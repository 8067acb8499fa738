#pragma once

#include <cstdint>
#include <string>

namespace tessera::media {

/// Throws InputError(reason, "NAME: WHAT").
[[noreturn]] void fail(const std::string& name, const char* reason, const std::string& what);

/// "12.3 s": at most three decimals, at least one.
[[nodiscard]] std::string seconds_text(double seconds);
[[nodiscard]] std::string seconds_text(std::int64_t samples, int sample_rate);

/// "the sound ends at 1.2 s (28800 of 48000 samples)"; `claimed` may be -1 for unknown.
[[nodiscard]] std::string ends_early(std::int64_t held, std::int64_t claimed, int sample_rate);

}  // namespace tessera::media
