// Padding; the convolutions themselves are products.

#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"
#include "kernels/padding.h"

namespace tessera::cuda {
namespace {

struct PadOne {
  ConstMatrix input;
  std::int64_t left;
  PadMode mode;
  Matrix out;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t column) const {
    const std::int64_t from = padded_source(row - left, input.rows, mode);
    out.data[row * out.row_step + column] = from < 0 ? 0.0F : input.data[from * input.row_step + column];
  }
};

}  // namespace

void pad_frames(ConstMatrix input, std::int64_t left, PadMode mode, Matrix out) {
  launch_each(out.rows, out.columns, PadOne{input, left, mode, out});
}

}  // namespace tessera::cuda
