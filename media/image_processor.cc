#include "media/image_processor.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"

namespace tessera::media {
namespace {

[[noreturn]] void refuse(int rows, int columns, const std::string& why) {
  throw InputError("unsupported_media", "a picture of " + std::to_string(columns) + " by " + std::to_string(rows) +
                                            " (width by height): " + why);
}

int round_half_even(double x) { return static_cast<int>(std::nearbyint(x)); }

int to_multiple(double side, int factor) { return round_half_even(side / factor) * factor; }
int down_to_multiple(double side, int factor) { return static_cast<int>(std::floor(side / factor)) * factor; }
int up_to_multiple(double side, int factor) { return static_cast<int>(std::ceil(side / factor)) * factor; }

ImageSize by_shortest_edge(const ImageProcessor& processor, int rows, int columns) {
  const int shorter = std::min(rows, columns);
  const int longer = std::max(rows, columns);
  const double length = static_cast<double>(static_cast<std::int64_t>(processor.edge) * longer) / shorter;
  if (length > 1e9) refuse(rows, columns, "too long for its width");
  const int fitted = static_cast<int>(length);
  return columns <= rows ? ImageSize{fitted, processor.edge} : ImageSize{processor.edge, fitted};
}

ImageSize by_longest_edge(const ImageProcessor& processor, int rows, int columns) {
  const double scale = static_cast<double>(processor.edge) / std::max(rows, columns);
  return {std::max(round_half_even(rows * scale), processor.min_side),
          std::max(round_half_even(columns * scale), processor.min_side)};
}

/// The bounds are tested on the rounded sides, the scale is taken from the raw ones.
ImageSize by_pixel_range(const ImageProcessor& processor, int rows, int columns) {
  const double aspect = static_cast<double>(std::max(rows, columns)) / std::min(rows, columns);
  if (aspect > processor.max_aspect) refuse(rows, columns, "too long for its width");
  const int factor = processor.factor;
  const ImageSize rounded{to_multiple(rows, factor), to_multiple(columns, factor)};
  const std::int64_t area = static_cast<std::int64_t>(rounded.rows) * rounded.columns;
  const auto raw = static_cast<double>(static_cast<std::int64_t>(rows) * columns);
  if (area > processor.max_pixels) {
    const double shrink = std::sqrt(raw / static_cast<double>(processor.max_pixels));
    return {std::max(factor, down_to_multiple(rows / shrink, factor)),
            std::max(factor, down_to_multiple(columns / shrink, factor))};
  }
  if (area < processor.min_pixels) {
    const double grow = std::sqrt(static_cast<double>(processor.min_pixels) / raw);
    return {up_to_multiple(rows * grow, factor), up_to_multiple(columns * grow, factor)};
  }
  return rounded;
}

ImageSize by_target_area(const ImageProcessor& processor, int rows, int columns) {
  const int factor = processor.factor;
  const double ratio = static_cast<double>(rows) / columns;
  const int high = static_cast<int>(std::sqrt(static_cast<double>(processor.max_pixels) * ratio));
  const int wide = static_cast<int>(static_cast<double>(static_cast<std::int64_t>(high) * columns) / rows);
  return {(high + factor / 2) / factor * factor, (wide + factor / 2) / factor * factor};
}

ImageSize halved(const ImageProcessor& processor, ImageSize size) {
  while (std::min(size.rows, size.columns) >= 2 * processor.edge) size = {size.rows / 2, size.columns / 2};
  return size;
}

ImageSize by_halving(const ImageProcessor& processor, int rows, int columns) {
  const ImageSize size = halved(processor, {rows, columns});
  const double scale = static_cast<double>(processor.edge) / std::min(size.rows, size.columns);
  return {round_half_even(size.rows * scale), round_half_even(size.columns * scale)};
}

ImageSize unchecked_size(const ImageProcessor& processor, int rows, int columns) {
  switch (processor.fit) {
    case Fit::exact:
      return {processor.rows, processor.columns};
    case Fit::shortest_edge:
      return by_shortest_edge(processor, rows, columns);
    case Fit::longest_edge:
      return by_longest_edge(processor, rows, columns);
    case Fit::pixel_range:
      return by_pixel_range(processor, rows, columns);
    case Fit::target_area:
      return by_target_area(processor, rows, columns);
    case Fit::halving:
      return by_halving(processor, rows, columns);
    case Fit::none:
      break;
  }
  return {rows, columns};
}

Image halve(const ImageProcessor& processor, const Image& image) {
  const ImageSize last = halved(processor, {image.rows, image.columns});
  Image small = image;
  while (small.rows != last.rows || small.columns != last.columns) {
    small = resize(small, small.rows / 2, small.columns / 2, Filter::box);
  }
  return small;
}

Image fit(const ImageProcessor& processor, const Image& image) {
  const ImageSize size = fitted_size(processor, image.rows, image.columns);
  if (processor.fit != Fit::halving) return resize(image, size.rows, size.columns, processor.filter);
  return resize(halve(processor, image), size.rows, size.columns, processor.filter);
}

Image to_square(const ImageProcessor& processor, const Image& image) {
  std::uint8_t color[3];
  for (std::size_t c = 0; c < 3; ++c) {
    color[c] = static_cast<std::uint8_t>(std::clamp(static_cast<int>(processor.mean[c] * 255), 0, 255));
  }
  const int side = std::max(image.rows, image.columns);
  return center_on(image, side, side, color);
}

float scaled(const ImageProcessor& processor, int sample, std::size_t channel) {
  float value = static_cast<float>(sample);
  if (processor.do_rescale) value = static_cast<float>(sample * processor.rescale_factor);
  if (!processor.do_normalize) return value;
  return (value - static_cast<float>(processor.mean[channel])) / static_cast<float>(processor.std[channel]);
}

std::uint8_t unscaled(const ImageProcessor& processor, float value, std::size_t channel) {
  if (processor.do_normalize) {
    const double deviation = processor.std[channel];
    value = (value - static_cast<float>(-processor.mean[channel] / deviation)) / static_cast<float>(1 / deviation);
  }
  if (processor.do_rescale) {
    value = static_cast<float>(static_cast<double>(value) * (1.0 / processor.rescale_factor));
  }
  return value > 0 ? static_cast<std::uint8_t>(std::min(value, 255.0F)) : std::uint8_t{0};
}

}  // namespace

ImageSize fitted_size(const ImageProcessor& processor, int rows, int columns) {
  if (rows <= 0 || columns <= 0) throw ArgumentError("an empty picture cannot be fitted");
  const ImageSize size = unchecked_size(processor, rows, columns);
  if (size.rows <= 0 || size.columns <= 0) refuse(rows, columns, "a side would vanish when it is resized");
  return size;
}

ImageSize shaped_size(const ImageProcessor& processor, int rows, int columns) {
  ImageSize size = fitted_size(processor, rows, columns);
  if (processor.crop_rows > 0) size = {processor.crop_rows, processor.crop_columns};
  const int longer = std::max(size.rows, size.columns);
  return processor.square ? ImageSize{longer, longer} : size;
}

Image apply_geometry(const ImageProcessor& processor, const Image& image) {
  Image result = processor.fit == Fit::none ? image : fit(processor, image);
  if (processor.crop_rows > 0) result = center_crop(result, processor.crop_rows, processor.crop_columns);
  return processor.square && result.rows != result.columns ? to_square(processor, result) : result;
}

FloatImage preprocess(const ImageProcessor& processor, const Image& image) {
  const Image shaped = apply_geometry(processor, image);
  float table[256][3];
  for (int sample = 0; sample < 256; ++sample) {
    for (std::size_t c = 0; c < 3; ++c) table[sample][c] = scaled(processor, sample, c);
  }
  FloatImage result{shaped.rows, shaped.columns, std::vector<float>(shaped.pixels.size())};
  for (std::size_t i = 0; i < shaped.pixels.size(); ++i) result.values[i] = table[shaped.pixels[i]][i % 3];
  return result;
}

Image postprocess(const ImageProcessor& processor, const FloatImage& image) {
  Image result(image.rows, image.columns);
  if (image.values.size() != result.pixels.size()) throw ArgumentError("a picture's values do not match its size");
  for (std::size_t i = 0; i < image.values.size(); ++i) {
    result.pixels[i] = unscaled(processor, image.values[i], i % 3);
  }
  return result;
}

}  // namespace tessera::media
