#pragma once

#include "media/image.h"

namespace tessera::media {

/// The numbers are those of `resample` in a preprocessor_config.json (Pillow's).
enum class Filter : std::uint8_t { nearest = 0, lanczos = 1, bilinear = 2, bicubic = 3, box = 4, hamming = 5 };

/// Resizes as Image.resize() of Pillow 12 does, byte for byte: two passes, columns first (but rows first when they
/// shrink and are more than 100 times as many), each a filter that widens when it shrinks (antialias), its coefficients
/// rounded to integers of 22 fractional bits, the result rounded to 8 bits after each pass; a pass that would not
/// change its side is left out. Lanczos has three lobes, bicubic a = -0.5. `nearest` takes the pixel under each centre.
/// Pillow 13 takes the rows first for most tall pictures, which changes samples by one level here and there; the
/// published checkpoints are older than it. Throws ArgumentError unless all sides are positive.
[[nodiscard]] Image resize(const Image& image, int rows, int columns, Filter filter);

/// A part of the picture. Throws ArgumentError unless it lies within.
[[nodiscard]] Image crop(const Image& image, int top, int left, int rows, int columns);

/// The middle `rows` by `columns`, offsets rounded down; where the picture is smaller, black is added, of which the
/// odd line goes to the top or left (transformers' center_crop).
[[nodiscard]] Image center_crop(const Image& image, int rows, int columns);

/// `rows` by `columns` of one colour with the picture in the middle, offsets rounded down (Janus).
/// Throws ArgumentError when it does not fit.
[[nodiscard]] Image center_on(const Image& image, int rows, int columns, const std::uint8_t (&color)[3]);

}  // namespace tessera::media
