#pragma once

#include "kernels/conv2d.h"

namespace tessera {

/// The input of a convolution as its product reads it: planes of rows of `pitch` pixels, zeros around the picture. With
/// stride 1 there is one plane, in which a row's padding on the left also is the padding on the right of the row above;
/// plane p of a strided one holds what tap row p sees: rows p, p + stride, p + 2 stride, …
struct FrameJob {
  Conv2dInput input;
  std::int64_t top, left, stride;
  std::int64_t planes, plane_rows, pitch;
  std::int64_t tail;  ///< zero pixels behind the last plane
  float* out;

  [[nodiscard]] TESSERA_HOST_DEVICE std::int64_t rows() const { return planes * plane_rows; }
  [[nodiscard]] std::int64_t size() const { return (rows() * pitch + tail) * input.x.channels; }
  /// The picture's row, after enlargement, that framed row `i` holds; outside the picture for zeros.
  [[nodiscard]] TESSERA_HOST_DEVICE std::int64_t source_row(std::int64_t i) const {
    return stride * (i % plane_rows) + i / plane_rows - top;
  }
};

}  // namespace tessera
