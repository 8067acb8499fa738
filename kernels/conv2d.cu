// The framed input of a 2-D convolution, one thread an element; the convolution itself is a product.

#include "kernels/conv2d_job.h"
#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

struct FrameOne {
  FrameJob job;

  // Framed pixel `i`, channel `c`.
  TESSERA_DEVICE void operator()(std::int64_t i, std::int64_t c) const {
    job.out[i * job.input.x.channels + c] = value(i, c);
  }

  TESSERA_DEVICE float value(std::int64_t i, std::int64_t c) const {
    const Conv2dInput& in = job.input;
    if (i >= job.rows() * job.pitch) return 0.0F;
    const std::int64_t row = job.source_row(i / job.pitch);
    const std::int64_t column = i % job.pitch - job.left;
    if (row < 0 || row >= in.x.rows * in.enlarge || column < 0 || column >= in.x.columns * in.enlarge) return 0.0F;
    return apply(in.activation, normed(row / in.enlarge, column / in.enlarge, c));
  }

  TESSERA_DEVICE float normed(std::int64_t row, std::int64_t column, std::int64_t c) const {
    const Conv2dInput& in = job.input;
    float y = in.x.pixel(row, column)[c];
    if (in.moments != nullptr) {
      y = scalar::Lanes::fma((y - in.moments[c]) * in.moments[in.x.channels + c], in.weight[c], in.bias[c]);
    }
    if (in.gain.data == nullptr) return y;
    return scalar::Lanes::fma(y, at(in.gain, row, column)[c], at(in.shift, row, column)[c]);
  }

  TESSERA_DEVICE const float* at(const ConstPicture& map, std::int64_t row, std::int64_t column) const {
    return map.pixel(row / (job.input.x.rows / map.rows), column / (job.input.x.columns / map.columns));
  }
};

}  // namespace

void frame_picture(const FrameJob& job) {
  launch_each(job.rows() * job.pitch + job.tail, job.input.x.channels, FrameOne{job});
}

}  // namespace tessera::cuda
