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

}  // namespace

void elementwise(const ElementwiseJob& job) { launch_each(job.out.rows, job.out.columns, ElementwiseOne{job}); }

}  // namespace tessera::cuda
