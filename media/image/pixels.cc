#include "media/image/pixels.h"

#include <utility>

namespace tessera::media {
namespace {

/// x / 255, rounded as Pillow does: exact for products of two bytes.
std::uint32_t over_255(std::uint32_t x) { return ((x >> 8) + x) >> 8; }

/// The blend keeps 7 bits of the coefficients' fractions.
std::uint8_t on_white(std::uint32_t sample, std::uint32_t alpha) {
  constexpr std::uint32_t kOne = 255U << 7;
  const std::uint32_t share = alpha << 7;
  const std::uint32_t sum = sample * share + 255U * (kOne - share) + (0x80U << 7);
  return static_cast<std::uint8_t>(over_255(sum) >> 7);
}

template <int channels>
void fill_rgb(const Pixels& pixels, Image& image) {
  const std::uint8_t* in = pixels.samples.data();
  std::uint8_t* out = image.pixels.data();
  for (std::size_t i = 0; i < image.pixels.size(); i += 3, in += channels) {
    for (int c = 0; c < 3; ++c) {
      const std::uint8_t sample = in[channels >= 3 ? c : 0];
      *out++ = channels % 2 == 0 ? on_white(sample, in[channels - 1]) : sample;
    }
  }
}

/// 255 - x, times the black that is left.
std::uint8_t ink(std::uint32_t inverted, std::uint32_t inverted_black) {
  const std::uint32_t covered = over_255((255U - inverted) * inverted_black + 128U);
  return static_cast<std::uint8_t>(inverted_black - covered);
}

/// Where the upright picture's (row, column) lies in the stored one.
std::size_t stored_at(const Image& stored, int orientation, int row, int column) {
  const int y = orientation >= 5 ? column : row;
  const int x = orientation >= 5 ? row : column;
  const bool bottom_up = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool right_to_left = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool flip_y = orientation >= 5 ? right_to_left : bottom_up;
  const bool flip_x = orientation >= 5 ? bottom_up : right_to_left;
  return stored.offset(flip_y ? stored.rows - 1 - y : y) +
         static_cast<std::size_t>(flip_x ? stored.columns - 1 - x : x) * 3;
}

}  // namespace

Image to_rgb(Pixels&& pixels) {
  if (pixels.channels == 3) {
    Image image;
    image.rows = pixels.rows;
    image.columns = pixels.columns;
    image.pixels = std::move(pixels.samples);
    return image;
  }
  Image image(pixels.rows, pixels.columns);
  if (pixels.channels == 1) fill_rgb<1>(pixels, image);
  if (pixels.channels == 2) fill_rgb<2>(pixels, image);
  if (pixels.channels == 4) fill_rgb<4>(pixels, image);
  return image;
}

Pixels from_inverted_cmyk(Pixels&& pixels) {
  Pixels result(pixels.rows, pixels.columns, 3);
  const std::uint8_t* in = pixels.samples.data();
  for (std::size_t i = 0; i < result.samples.size(); i += 3, in += 4) {
    for (std::size_t c = 0; c < 3; ++c) result.samples[i + c] = ink(in[c], in[3]);
  }
  return result;
}

Image upright(Image&& image, int orientation) {
  if (orientation <= 1 || orientation > 8) return std::move(image);
  const bool turned = orientation >= 5;
  Image result(turned ? image.columns : image.rows, turned ? image.rows : image.columns);
  std::uint8_t* out = result.pixels.data();
  for (int row = 0; row < result.rows; ++row) {
    for (int column = 0; column < result.columns; ++column) {
      const std::uint8_t* pixel = image.pixels.data() + stored_at(image, orientation, row, column);
      for (int c = 0; c < 3; ++c) *out++ = pixel[c];
    }
  }
  return result;
}

}  // namespace tessera::media
