// The Snake activation, one thread an element.

#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

struct SnakeOne {
  ConstMatrix x;
  const float* alpha;
  const float* reciprocal;
  Matrix out;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t column) const {
    const float value = x.data[row * x.row_step + column];
    out.data[row * out.row_step + column] = scalar::snake<scalar::Lanes>(value, alpha[column], reciprocal[column]);
  }
};

}  // namespace

void snake(ConstMatrix x, const float* alpha, const float* reciprocal, Matrix out) {
  launch_each(x.rows, x.columns, SnakeOne{x, alpha, reciprocal, out});
}

}  // namespace tessera::cuda
