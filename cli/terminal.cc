#include "cli/terminal.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "cli/signals.h"
#include "media/descriptor.h"

namespace tessera::cli {
namespace {

/// One line whatever a file's name holds.
std::string one_line(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      result += c;
      continue;
    }
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\x%02x", byte);
    result += escape;
  }
  return result;
}

}  // namespace

void print(const std::string& text) {
  const char* next = text.data();
  std::size_t left = text.size();
  while (left > 0) {
    const ssize_t written = ::write(STDOUT_FILENO, next, left);
    if (written < 0 && errno == EPIPE) throw ClosedPipe();
    if (written < 0 && errno != EINTR) media::write_failed("standard output", errno);
    if (written < 0) {
      check_interrupted();
      continue;
    }
    next += written;
    left -= static_cast<std::size_t>(written);
  }
}

bool is_output_closed() noexcept {
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

void say(const std::string& text) noexcept {
  // Nobody is left to tell when this fails.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

void complain(const std::string& message) noexcept { say("tessera: " + one_line(message) + "\n"); }

}  // namespace tessera::cli
