#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "media/image.h"

namespace tessera::media {

// Whole files in memory. `quality` is 0 for the default, else 1 to 100; `path` is for messages.
[[nodiscard]] std::vector<std::uint8_t> encode_jpeg(const std::string& path, const Image& image, int quality);
[[nodiscard]] std::vector<std::uint8_t> encode_png(const std::string& path, const Image& image, int quality);
[[nodiscard]] std::vector<std::uint8_t> encode_webp(const std::string& path, const Image& image, int quality);

}  // namespace tessera::media
