#pragma once

namespace tessera::cli {

/// The program's exit codes; 75 belongs to work that a rerun resumes.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kBadInput = 65,
  kInterrupted = 130,
};

}  // namespace tessera::cli
