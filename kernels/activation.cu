// Point functions, one thread an element.

#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

struct ActivateOne {
  Activation f;
  ConstMatrix input;
  Matrix out;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t column) const {
    out.data[row * out.row_step + column] = apply(f, input.data[row * input.row_step + column]);
  }
};

}  // namespace

void activate(Activation f, ConstMatrix input, Matrix out) {
  launch_each(input.rows, input.columns, ActivateOne{f, input, out});
}

}  // namespace tessera::cuda
