// Element-wise operations, one thread an element.

#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

struct ElementwiseOne {
  ElementwiseJob job;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t column) const {
    job.out.data[row * job.out.row_step + column] = value(row, column);
  }
  TESSERA_DEVICE float value(std::int64_t row, std::int64_t column) const {
    if (job.operation == Elementwise::fill) return job.factor;
    const float a = job.a.data[row * job.a.row_step + column];
    switch (job.operation) {
      case Elementwise::add:
        return a + job.b.data[row * job.b.row_step + column];
      case Elementwise::multiply:
        return a * job.b.data[row * job.b.row_step + column];
      case Elementwise::scale:
        return a * job.factor;
      default:
        return a;
    }
  }
};

struct MeanFramesOne {
  FramesJob job;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t column) const {
    const float* x = job.x.data + row * job.factor * job.x.row_step + column;
    float sum = x[0];
    for (std::int64_t t = 1; t < job.factor; ++t) sum = sum + x[t * job.x.row_step];
    job.out.data[row * job.out.row_step + column] = sum / static_cast<float>(job.factor);
  }
};

struct RepeatFramesOne {
  FramesJob job;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t column) const {
    job.out.data[row * job.out.row_step + column] = job.x.data[row / job.factor * job.x.row_step + column];
  }
};

}  // namespace

void elementwise(const ElementwiseJob& job) { launch_each(job.out.rows, job.out.columns, ElementwiseOne{job}); }

void mean_frames(const FramesJob& job) { launch_each(job.out.rows, job.out.columns, MeanFramesOne{job}); }

void repeat_frames(const FramesJob& job) { launch_each(job.out.rows, job.out.columns, RepeatFramesOne{job}); }

}  // namespace tessera::cuda
