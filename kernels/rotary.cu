// Rotary position embedding, one thread a pair.

#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

struct TurnPair {
  RotaryJob job;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t pair) const {
    const std::int64_t head = pair / job.half();
    const std::int64_t j = pair % job.half();
    const bool neighbours = job.shape.layout == RotaryLayout::interleaved;
    float* first = job.x.data + row * job.x.row_step + head * job.shape.head_dim + (neighbours ? 2 * j : j);
    float* second = first + (neighbours ? 1 : job.half());
    const float angle = static_cast<float>(job.first_position + row) * job.frequencies[j];
    const auto turn = scalar::sincos<scalar::Lanes>(angle);
    const float x1 = *first;
    const float x2 = *second;
    *first = scalar::Lanes::fma(x1, turn.cos, -(x2 * turn.sin));
    *second = scalar::Lanes::fma(x2, turn.cos, x1 * turn.sin);
  }
};

}  // namespace

void rotary(const RotaryJob& job) { launch_each(job.x.rows, job.shape.heads * job.half(), TurnPair{job}); }

}  // namespace tessera::cuda
