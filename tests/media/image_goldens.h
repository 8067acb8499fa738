#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "media/image.h"

namespace tessera::media::test {

/// What tests/golden/generate_images.py calls `pattern`.
[[nodiscard]] Image pattern(int rows, int columns);

[[nodiscard]] std::string golden_path(const std::string& name);

/// The lines of images/NAME.txt, each ready to be read from.
[[nodiscard]] std::vector<std::istringstream> golden_lines(const std::string& name);

/// images/NAME.bin.
[[nodiscard]] std::string golden_blob(const std::string& name);

/// rows * columns * 3 bytes of a blob.
[[nodiscard]] std::vector<std::uint8_t> golden_pixels(const std::string& blob, std::size_t offset, int rows,
                                                      int columns);

}  // namespace tessera::media::test
