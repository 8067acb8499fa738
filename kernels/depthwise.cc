#include "kernels/depthwise.h"

#include "kernels/arithmetic.h"
#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/profile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise.cc"
#include <hwy/foreach_target.h>

#include "kernels/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

static HWY_INLINE Floats depthwise_sum(const DepthwiseJob& job, const float* x, const float* w, std::int64_t count) {
  Floats total = Lanes::set(0.0F);
  for (std::int64_t slice = 0; slice < job.taps; slice += kSlice) {
    Floats chain = Lanes::set(0.0F);
    for (std::int64_t tap = slice; tap < std::min<std::int64_t>(job.taps, slice + kSlice); ++tap) {
      const float* row = x + tap * job.dilation * job.x.row_step;
      chain = Lanes::fma(load_first(row, count), load_first(w + tap * job.x.columns, count), chain);
    }
    total = slice == 0 ? chain : Lanes::add(total, chain);
  }
  return total;
}

void depthwise_rows(const DepthwiseJob& job, std::int64_t begin, std::int64_t end) {
  with_activation(job.activation, [&](auto function) HWY_ATTR {
    for (std::int64_t r = begin; r < end; ++r) {
      const float* x = job.x.row(r / job.phases * job.stride);
      const float* w = job.weights + r % job.phases * job.taps * job.x.columns;
      for (std::int64_t c = 0; c < job.x.columns; c += 16) {
        const std::int64_t count = std::min<std::int64_t>(16, job.x.columns - c);
        Floats y = depthwise_sum(job, x + c, w + c, count);
        if (job.bias != nullptr) y = Lanes::add(y, load_first(job.bias + c, count));
        store_first(function(y), job.out.row(r) + c, count);
      }
    }
  });
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {
constexpr auto kDepthwiseRows = TESSERA_BUILDS(depthwise_rows);
}  // namespace

void depthwise(Context& context, const DepthwiseJob& job) {
  if (job.out.rows == 0) return;
  const std::int64_t last = (job.out.rows / job.phases - 1) * job.stride + (job.taps - 1) * job.dilation;
  if (job.out.rows % job.phases != 0 || last >= job.x.rows || job.out.columns != job.x.columns) {
    throw ArgumentError("depthwise: the output's shape does not fit the input's");
  }
  const auto outputs = static_cast<double>(job.out.rows * job.out.columns);
  const Timed timed(context, {"depthwise", job.taps, job.out.columns, 0, 0, outputs * static_cast<double>(job.taps)});
  if (context.device().is_cuda()) return cuda::depthwise(job);
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / (job.x.columns * job.taps + 1));
  context.parallel_for(job.out.rows, grain,
                       [&, rows = build_for(context, kDepthwiseRows)](auto begin, auto end) { rows(job, begin, end); });
}

}  // namespace tessera
#endif
