#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::cli {

/// An RGB picture, rows from the top.
struct Picture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
};

/// PNG, 8 bits a channel. Throws ResourceError when zlib fails.
[[nodiscard]] std::string png_bytes(const Picture& picture);

/// A colour of a perceptually rising scale from dark violet over teal to yellow; t in [0, 1].
void put_colour(double t, std::uint8_t* rgb);

}  // namespace tessera::cli
