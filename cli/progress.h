#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "cli/options.h"

namespace tessera::cli {

/// "12/100 inputs, 3.2 min" on standard error, at most ten times a second, and only where a person is looking.
class Progress {
 public:
  /// `total` 0: not known.
  Progress(const CommonOptions& options, std::size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// One more input, of so many seconds of sound.
  void add(double seconds);
  /// Takes the line away, for a message to be printed.
  void clear();

 private:
  void draw();

  bool shown_;
  bool terminal_;
  bool drawn_ = false;
  std::size_t total_;
  std::size_t done_ = 0;
  double seconds_ = 0;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace tessera::cli
