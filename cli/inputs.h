#pragma once

#include <string>
#include <vector>

namespace tessera::cli {

/// One thing to work on, or why it cannot be (`error`, `reason`), which is reported in its turn.
struct Input {
  std::string path;
  std::string error;
  std::string reason;
  bool picture = false;  ///< for an image codec
};

struct InputOptions {
  std::vector<std::string> paths;
  std::vector<std::string> lists;  ///< files that name one path a line
  bool recursive = false;
  bool sounds = true;     ///< of folders take sound and video files,
  bool pictures = false;  ///< and picture files
  bool texts = false;     ///< and .txt files
};

/// Paths in the order given, then those of the lists; a folder becomes the media files under it, sorted by name,
/// hidden ones left out.
[[nodiscard]] std::vector<Input> expand_inputs(const InputOptions& options);

}  // namespace tessera::cli
