#pragma once

#include <cstdint>
#include <vector>

#include "media/image.h"

namespace tessera::media {

/// What a decoder gives: 8-bit samples, [row, column, channel]. One channel is grey, two are grey and alpha, three red,
/// green and blue, four with alpha (not premultiplied).
struct Pixels {
  int rows = 0;
  int columns = 0;
  int channels = 0;
  std::vector<std::uint8_t> samples;

  Pixels() = default;
  Pixels(int row_count, int column_count, int channel_count)
      : rows(row_count), columns(column_count), channels(channel_count), samples(row_bytes() * size_t(row_count)) {}
  [[nodiscard]] std::size_t row_bytes() const { return std::size_t(columns) * std::size_t(channels); }
  [[nodiscard]] std::uint8_t* row(int index) { return samples.data() + row_bytes() * std::size_t(index); }
};

/// Colour as it is, grey three times, alpha composited on white with the integers of Pillow's alpha_composite().
[[nodiscard]] Image to_rgb(Pixels&& pixels);

/// Four channels of inverted CMYK, as Adobe's programs write them, to three, with the integers of Pillow's convert().
[[nodiscard]] Pixels from_inverted_cmyk(Pixels&& pixels);

/// Turned and mirrored so that it stands upright: `orientation` as EXIF counts, 1 to 8.
[[nodiscard]] Image upright(Image&& image, int orientation);

}  // namespace tessera::media
