#include "tests/media/image_goldens.h"

#include <fstream>

#include "tests/media/files.h"

namespace tessera::media::test {

Image pattern(int rows, int columns) {
  Image image(rows, columns);
  std::size_t i = 0;
  for (int y = 0; y < rows; ++y) {
    for (int x = 0; x < columns; ++x) {
      for (int c = 0; c < 3; ++c, ++i) {
        const int noise = (x * 7919 + y * 104729 + c * 1299709 + x * y * 31) % 251;
        const int smooth = (x * 5 * (c + 1) + y * 3) % 256;
        const int edges = 255 * ((x / 5 + y / 7 + c) % 2);
        image.pixels[i] = static_cast<std::uint8_t>((x + y) % 3 == 0 ? noise : y % 2 == 0 ? smooth : edges);
      }
    }
  }
  return image;
}

std::string golden_path(const std::string& name) {
  return std::string(TESSERA_SOURCE_DIR) + "/tests/golden/images/" + name;
}

std::vector<std::istringstream> golden_lines(const std::string& name) {
  std::ifstream file(golden_path(name + ".txt"));
  std::vector<std::istringstream> lines;
  for (std::string line; std::getline(file, line);) lines.emplace_back(line);
  EXPECT_FALSE(lines.empty()) << name;
  return lines;
}

std::string golden_blob(const std::string& name) { return bytes_of(golden_path(name + ".bin")); }

std::vector<std::uint8_t> golden_pixels(const std::string& blob, std::size_t offset, int rows, int columns) {
  const std::size_t count = static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns) * 3;
  if (offset + count > blob.size()) ADD_FAILURE() << "the blob is too short";
  const std::string part = blob.substr(offset, count);
  return {part.begin(), part.end()};
}

}  // namespace tessera::media::test
