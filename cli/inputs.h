#pragma once

#include <string>
#include <vector>

namespace tessera::cli {

/// One thing to work on, or why it cannot be (`error`, `reason`), which is reported in its turn.
struct Input {
  std::string path;
  std::string error;
  std::string reason;
};

struct InputOptions {
  std::vector<std::string> paths;
  std::vector<std::string> lists;  ///< files that name one path a line
  bool recursive = false;
  bool pictures = false;  ///< of folders take the picture files, not the others
};

/// Paths in the order given, then those of the lists; a folder becomes the media files under it, sorted by name,
/// hidden ones left out.
[[nodiscard]] std::vector<Input> expand_inputs(const InputOptions& options);

}  // namespace tessera::cli
