#include "cli/progress.h"

#include <unistd.h>

#include <cstdio>

#include "cli/terminal.h"

namespace tessera::cli {
namespace {

bool is_shown(const CommonOptions& options, bool terminal) {
  if (options.progress == "always") return true;
  return options.progress == "auto" && terminal && !options.quiet;
}

}  // namespace

Progress::Progress(const CommonOptions& options, std::size_t total)
    : terminal_(::isatty(STDERR_FILENO) == 1), total_(total) {
  shown_ = is_shown(options, terminal_);
}

Progress::~Progress() {
  if (shown_ && done_ > 0) draw();
  if (drawn_ && terminal_) say("\n");
}

void Progress::add(double seconds) {
  ++done_;
  seconds_ += seconds;
  const auto now = std::chrono::steady_clock::now();
  if (!shown_ || now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  draw();
}

void Progress::clear() {
  if (drawn_ && terminal_) say("\r\x1b[K");
}

void Progress::draw() {
  char text[96];
  const std::string of = total_ > 0 ? "/" + std::to_string(total_) : "";
  std::snprintf(text, sizeof text, "%zu%s inputs, %.1f min of sound", done_, of.c_str(), seconds_ / 60);
  say(terminal_ ? "\r\x1b[K" + std::string(text) : std::string(text) + "\n");
  drawn_ = true;
}

}  // namespace tessera::cli
