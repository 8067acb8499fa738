// Depthwise convolutions, one thread an output.

#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

struct DepthwiseOne {
  DepthwiseJob job;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t c) const {
    const float* x = job.x.data + row / job.phases * job.stride * job.x.row_step + c;
    const float* w = job.weights + row % job.phases * job.taps * job.x.columns + c;
    float total = 0.0F;
    for (std::int64_t slice = 0; slice < job.taps; slice += kSlice) {
      const std::int64_t end = slice + kSlice < job.taps ? slice + kSlice : job.taps;
      float chain = 0.0F;
      for (std::int64_t tap = slice; tap < end; ++tap) {
        chain = scalar::Lanes::fma(x[tap * job.dilation * job.x.row_step], w[tap * job.x.columns], chain);
      }
      total = slice == 0 ? chain : total + chain;
    }
    const float y = job.bias == nullptr ? total : total + job.bias[c];
    job.out.data[row * job.out.row_step + c] = apply(job.activation, y);
  }
};

}  // namespace

void depthwise(const DepthwiseJob& job) { launch_each(job.out.rows, job.out.columns, DepthwiseOne{job}); }

}  // namespace tessera::cuda
