#include "cli/png.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>

#include "kernels/error.h"

namespace tessera::cli {
namespace {

std::string big_endian(std::uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xff);
  return text;
}

const Bytef* bytes_of(const std::string& text) { return reinterpret_cast<const Bytef*>(text.data()); }

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const uLong sum = crc32(0, bytes_of(body), static_cast<uInt>(body.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + body + big_endian(static_cast<std::uint32_t>(sum));
}

std::string deflate(const std::string& data) {
  uLongf size = compressBound(data.size());
  std::string packed(size, '\0');
  const int status = compress2(reinterpret_cast<Bytef*>(packed.data()), &size, bytes_of(data), data.size(), 6);
  if (status != Z_OK) throw ResourceError("out_of_memory", "a picture could not be compressed");
  packed.resize(size);
  return packed;
}

/// Each row with filter type 0 before it.
std::string filtered_rows(const Picture& picture) {
  std::string rows;
  const auto stride = static_cast<std::size_t>(picture.width) * 3;
  for (int y = 0; y < picture.height; ++y) {
    rows += '\0';
    rows.append(reinterpret_cast<const char*>(picture.rgb.data()) + static_cast<std::size_t>(y) * stride, stride);
  }
  return rows;
}

double bump(double t, double centre, double width) { return std::exp(-(t - centre) * (t - centre) / (width * width)); }

}  // namespace

std::string png_bytes(const Picture& picture) {
  const std::string header = big_endian(static_cast<std::uint32_t>(picture.width)) +
                             big_endian(static_cast<std::uint32_t>(picture.height)) +
                             std::string("\x08\x02\x00\x00\x00", 5);
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + chunk("IDAT", deflate(filtered_rows(picture))) +
         chunk("IEND", "");
}

/// Green rises throughout, so that lightness does; blue fades out of the middle; red joins at both ends.
void put_colour(double t, std::uint8_t* rgb) {
  t = std::clamp(t, 0.0, 1.0);
  const double red = 0.27 * bump(t, 0, 0.35) + 0.99 * t * t * t * t;
  const double green = 0.01 + 0.89 * t;
  const double blue = 0.33 * (1 - t) + 0.42 * bump(t, 0.35, 0.35);
  const double channels[] = {red, green, blue};
  for (int i = 0; i < 3; ++i) rgb[i] = static_cast<std::uint8_t>(std::lround(255 * std::clamp(channels[i], 0.0, 1.0)));
}

}  // namespace tessera::cli
