#pragma once

#include <cstdint>

#include "kernels/arithmetic.h"
#include "kernels/context.h"

namespace tessera {

/// A read-only view of a picture: rows of pixels of `channels` contiguous floats, `row_step` floats from one row of
/// pixels to the next.
struct ConstPicture {
  const float* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t channels = 0;
  std::int64_t row_step = 0;

  [[nodiscard]] TESSERA_HOST_DEVICE std::int64_t pixels() const noexcept { return rows * columns; }
  [[nodiscard]] TESSERA_HOST_DEVICE const float* pixel(std::int64_t row, std::int64_t column) const noexcept {
    return data + row * row_step + column * channels;
  }
  /// Pixel i in reading order.
  [[nodiscard]] TESSERA_HOST_DEVICE const float* pixel(std::int64_t i) const noexcept {
    return pixel(i / columns, i % columns);
  }
  [[nodiscard]] ConstMatrix row(std::int64_t i) const noexcept { return {data + i * row_step, columns, channels}; }
  /// Whole pixels from one row to the next; 0 when row_step is no multiple of the channels.
  [[nodiscard]] std::int64_t pitch() const noexcept { return row_step % channels == 0 ? row_step / channels : 0; }
  /// All pixels as rows of one matrix, and between them whatever lies behind the rows of the picture.
  [[nodiscard]] ConstMatrix flat() const noexcept { return {data, (rows - 1) * pitch() + columns, channels}; }
};

/// A writable view.
struct Picture {
  float* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t channels = 0;
  std::int64_t row_step = 0;

  [[nodiscard]] Matrix row(std::int64_t i) const noexcept { return {data + i * row_step, columns, channels}; }
  [[nodiscard]] Matrix flat() const noexcept { return {data, (rows - 1) * (row_step / channels) + columns, channels}; }
  operator ConstPicture() const noexcept { return {data, rows, columns, channels, row_step}; }  // NOLINT
};

/// Owns a picture in work memory, with room for one pixel behind each row: a convolution writes its rows in one product
/// and what falls there is nobody's.
class PictureTensor {
 public:
  PictureTensor() = default;
  PictureTensor(Context& context, std::int64_t rows, std::int64_t columns, std::int64_t channels)
      : tensor_(context.scratch({rows, columns + 1, channels})),
        view_{tensor_.data(), rows, columns, channels, (columns + 1) * channels} {}

  [[nodiscard]] const Picture& view() const noexcept { return view_; }
  operator Picture() const noexcept { return view_; }       // NOLINT
  operator ConstPicture() const noexcept { return view_; }  // NOLINT

 private:
  Tensor tensor_;
  Picture view_;
};

}  // namespace tessera
