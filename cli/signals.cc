#include "cli/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "kernels/error.h"

namespace tessera::cli {
namespace {

std::atomic<bool> stop{false};
std::atomic<int> input_flags{-1};

/// A read that waits for standard input would be resumed after the signal: make it fail instead.
void wake_reader() {
  const int flags = ::fcntl(STDIN_FILENO, F_GETFL);
  if (flags < 0) return;
  input_flags = flags;
  ::fcntl(STDIN_FILENO, F_SETFL, flags | O_NONBLOCK);
}

void on_signal(int number) {
  if (stop.exchange(true)) {
    ::signal(number, SIG_DFL);
    ::raise(number);
    return;
  }
  wake_reader();
}

bool is_ignored(int number) {
  struct sigaction now {};
  return ::sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

}  // namespace

const std::atomic<bool>& interrupted() noexcept { return stop; }

void check_interrupted() {
  if (stop.load(std::memory_order_relaxed)) throw Interrupted();
}

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    if (number == SIGHUP && is_ignored(number)) continue;  // started by nohup
    ::sigaction(number, &action, nullptr);
  }
  ::signal(SIGPIPE, SIG_IGN);
}

void release_signals() noexcept {
  if (input_flags >= 0) ::fcntl(STDIN_FILENO, F_SETFL, input_flags.load());
}

}  // namespace tessera::cli
