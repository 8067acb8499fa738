// Any bytes are either refused with an InputError or give a picture of the size that the header says, and no more
// pixels than allowed. The first byte picks the reader; GIF, WebP, BMP and TIFF are checked up to where FFmpeg or
// OpenCV begin.

#include <cstddef>
#include <vector>

#include "kernels/error.h"
#include "media/image/header.h"
#include "media/image/webp.h"

namespace {

using namespace tessera::media;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

ImageReadOptions options(bool allow_truncated) {
  ImageReadOptions result;
  result.max_pixels = 1 << 16;
  result.allow_truncated = allow_truncated;
  return result;
}

void decode(const Encoded& file, ImageInfo (*probe)(const Encoded&),
            Pixels (*read)(const Encoded&, const ImageReadOptions&, std::string&), bool allow_truncated) {
  const ImageInfo info = probe(file);
  require(info.orientation >= 1 && info.orientation <= 8);
  check_size(file, info, options(allow_truncated));
  std::string warning;
  Pixels pixels = read(file, options(allow_truncated), warning);
  require(pixels.rows == info.rows && pixels.columns == info.columns);
  require(warning.empty() || allow_truncated);
  const Image image = upright(to_rgb(std::move(pixels)), info.orientation);
  require(image.pixels.size() == image.offset(image.rows));
}

void look(const Encoded& file, ImageInfo (*probe)(const Encoded&)) {
  const ImageInfo info = probe(file);
  require(info.orientation >= 1 && info.orientation <= 8);
  check_size(file, info, options(false));
}

void look_at_webp(const Encoded& file) {
  look(file, webp_header);
  const auto frame = first_frame(file);
  if (!frame) return;
  const ImageInfo canvas = webp_header(file);
  require(frame->row + frame->rows <= canvas.rows && frame->column + frame->columns <= canvas.columns);
  look(frame->still, webp_header);
}

void run(int reader, const Encoded& file) {
  const bool allow_truncated = (reader & 8) != 0;
  switch (reader & 7) {
    case 0:
      return decode(file, probe_jpeg, decode_jpeg, allow_truncated);
    case 1:
      return decode(file, probe_png, decode_png, allow_truncated);
    case 2:
      return look_at_webp(file);
    case 3:
      return look(file, bmp_header);
    case 4:
      return look(file, tiff_header);
    case 5:
      return look(file, probe_gif);
    default:
      require(exif_orientation(file.bytes.data(), file.bytes.size()) >= 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 5) return 0;
  try {
    run(data[0], {"x", {data + 1, data + size}});
  } catch (const tessera::InputError& error) {
    require(!error.reason().empty());
  }
  return 0;
}
