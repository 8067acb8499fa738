#pragma once

#include <atomic>

namespace tessera::cli {

/// Set by the first Ctrl-C (SIGINT), SIGTERM or SIGHUP: work stops between chunks and removes what is unfinished.
/// A second one ends the process at once.
[[nodiscard]] const std::atomic<bool>& interrupted() noexcept;
/// Throws Interrupted.
void check_interrupted();

/// Also makes a closed pipe an error of write() instead of a signal.
void catch_signals();
/// Puts standard input back as it was found.
void release_signals() noexcept;

}  // namespace tessera::cli
