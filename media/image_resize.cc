#include "media/image_resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/constants.h"
#include "kernels/error.h"

namespace tessera::media {
namespace {

constexpr int kFractionBits = 22;  // of a coefficient: 8 bits of sample and 2 of headroom fill the 32
constexpr double kPi = 3.14159265358979323846;

double sinc(double x) { return x == 0.0 ? 1.0 : exact_sin(x * kPi) / (x * kPi); }

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }
double bilinear(double x) { return std::max(1.0 - std::fabs(x), 0.0); }
double lanczos(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

double hamming(double x) {
  const double distance = std::fabs(x);
  return distance < 1.0 ? sinc(distance) * (0.54 + 0.46 * exact_cos(distance * kPi)) : 0.0;
}

/// Keys' cubic convolution.
double bicubic(double x) {
  constexpr double kA = -0.5;
  const double d = std::fabs(x);
  if (d < 1.0) return ((kA + 2.0) * d - (kA + 3.0)) * d * d + 1.0;
  return d < 2.0 ? (((d - 5.0) * d + 8.0) * d - 4.0) * kA : 0.0;
}

struct Kernel {
  double (*weight)(double);
  double support;  // on each side, in input samples when enlarging
};

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::lanczos:
      return {lanczos, 3.0};
    case Filter::bilinear:
      return {bilinear, 1.0};
    case Filter::bicubic:
      return {bicubic, 2.0};
    case Filter::hamming:
      return {hamming, 1.0};
    case Filter::box:
      return {box, 0.5};
    case Filter::nearest:
      break;
  }
  throw ArgumentError("no such resampling filter");
}

/// Which inputs an output is made of, and how much of each.
struct Taps {
  int first;
  int count;
  std::size_t weights;  // where its coefficients begin
};

struct Axis {
  std::vector<Taps> taps;
  std::vector<std::int32_t> weights;
};

std::int32_t fixed_point(double weight) {
  const double scaled = weight * (1 << kFractionBits);
  return static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

Axis make_axis(int in, int out, const Kernel& kernel) {
  const double scale = static_cast<double>(in) / out;
  const double stretch = std::max(scale, 1.0);
  const double support = kernel.support * stretch;
  Axis axis;
  std::vector<double> weights;
  for (int i = 0; i < out; ++i) {
    const double center = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int last = std::min(static_cast<int>(center + support + 0.5), in);
    weights.clear();
    double sum = 0;
    for (int x = first; x < last; ++x) {
      weights.push_back(kernel.weight((x - center + 0.5) * (1.0 / stretch)));
      sum += weights.back();
    }
    axis.taps.push_back({first, last - first, axis.weights.size()});
    for (const double weight : weights) axis.weights.push_back(fixed_point(sum != 0.0 ? weight / sum : weight));
  }
  return axis;
}

std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kFractionBits, 0, 255)); }

constexpr std::int32_t kHalf = 1 << (kFractionBits - 1);

void resize_row(const std::uint8_t* in, const Axis& axis, std::uint8_t* out) {
  for (const Taps& taps : axis.taps) {
    const std::int32_t* weight = axis.weights.data() + taps.weights;
    const std::uint8_t* pixel = in + static_cast<std::size_t>(taps.first) * 3;
    std::int32_t red = kHalf;
    std::int32_t green = kHalf;
    std::int32_t blue = kHalf;
    for (int k = 0; k < taps.count; ++k, pixel += 3) {
      red += pixel[0] * weight[k];
      green += pixel[1] * weight[k];
      blue += pixel[2] * weight[k];
    }
    *out++ = to_byte(red);
    *out++ = to_byte(green);
    *out++ = to_byte(blue);
  }
}

Image resize_columns(const Image& image, int columns, const Kernel& kernel) {
  const Axis axis = make_axis(image.columns, columns, kernel);
  Image result(image.rows, columns);
  for (int row = 0; row < image.rows; ++row) resize_row(image.row(row), axis, result.row(row));
  return result;
}

Image resize_rows(const Image& image, int rows, const Kernel& kernel) {
  const Axis axis = make_axis(image.rows, rows, kernel);
  Image result(rows, image.columns);
  const std::size_t width = image.offset(1);
  std::vector<std::int32_t> sums(width);
  for (int row = 0; row < rows; ++row) {
    const Taps& taps = axis.taps[static_cast<std::size_t>(row)];
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int k = 0; k < taps.count; ++k) {
      const std::int32_t weight = axis.weights[taps.weights + static_cast<std::size_t>(k)];
      const std::uint8_t* in = image.row(taps.first + k);
      for (std::size_t i = 0; i < width; ++i) sums[i] += in[i] * weight;
    }
    std::uint8_t* out = result.row(row);
    for (std::size_t i = 0; i < width; ++i) out[i] = to_byte(sums[i]);
  }
  return result;
}

/// The reference steps by repeated addition, so this does: a product would round differently.
std::vector<int> nearest_positions(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  std::vector<int> positions;
  double at = scale * 0.5;
  for (int i = 0; i < out; ++i, at += scale) positions.push_back(std::min(static_cast<int>(at), in - 1));
  return positions;
}

Image resize_nearest(const Image& image, int rows, int columns) {
  Image result(rows, columns);
  const std::vector<int> from_row = nearest_positions(image.rows, rows);
  const std::vector<int> from_column = nearest_positions(image.columns, columns);
  for (int row = 0; row < rows; ++row) {
    const std::uint8_t* in = image.row(from_row[static_cast<std::size_t>(row)]);
    std::uint8_t* out = result.row(row);
    for (const int column : from_column) {
      std::memcpy(out, in + static_cast<std::size_t>(column) * 3, 3);
      out += 3;
    }
  }
  return result;
}

/// Copies the part of `from` that the two share when `from` begins at (top, left) of `to`.
void paste(const Image& from, Image& to, int top, int left) {
  const int first = std::max(0, -left);
  const int count = std::min(from.columns, to.columns - left) - first;
  if (count <= 0) return;
  for (int row = std::max(0, -top); row < std::min(from.rows, to.rows - top); ++row) {
    std::memcpy(to.row(top + row) + static_cast<std::ptrdiff_t>(left + first) * 3,
                from.row(row) + static_cast<std::ptrdiff_t>(first) * 3, static_cast<std::size_t>(count) * 3);
  }
}

/// Such pictures are shrunk along their length first.
bool is_thread(const Image& image) { return image.rows > static_cast<std::int64_t>(image.columns) * 100; }

int floor_half(int x) { return x >= 0 ? x / 2 : -((1 - x) / 2); }

}  // namespace

Image resize(const Image& image, int rows, int columns, Filter filter) {
  if (image.rows <= 0 || image.columns <= 0) throw ArgumentError("an empty picture cannot be resized");
  if (rows <= 0 || columns <= 0) throw ArgumentError("a picture needs at least one row and one column");
  if (image.rows == rows && image.columns == columns) return image;
  if (filter == Filter::nearest) return resize_nearest(image, rows, columns);
  const Kernel kernel = kernel_of(filter);
  if (image.rows == rows) return resize_columns(image, columns, kernel);
  if (image.columns == columns) return resize_rows(image, rows, kernel);
  if (is_thread(image) && rows < image.rows) return resize_columns(resize_rows(image, rows, kernel), columns, kernel);
  return resize_rows(resize_columns(image, columns, kernel), rows, kernel);
}

Image crop(const Image& image, int top, int left, int rows, int columns) {
  const bool within = top >= 0 && left >= 0 && rows <= image.rows - top && columns <= image.columns - left;
  if (!within) throw ArgumentError("the part to cut out reaches beyond the picture");
  Image result(rows, columns);
  paste(image, result, -top, -left);
  return result;
}

Image center_crop(const Image& image, int rows, int columns) {
  Image result(rows, columns);
  paste(image, result, -floor_half(image.rows - rows), -floor_half(image.columns - columns));
  return result;
}

Image center_on(const Image& image, int rows, int columns, const std::uint8_t (&color)[3]) {
  if (image.rows > rows || image.columns > columns)
    throw ArgumentError("the picture is larger than what is to hold it");
  Image result(rows, columns);
  for (std::size_t i = 0; i < result.pixels.size(); ++i) result.pixels[i] = color[i % 3];
  paste(image, result, (rows - image.rows) / 2, (columns - image.columns) / 2);
  return result;
}

}  // namespace tessera::media
