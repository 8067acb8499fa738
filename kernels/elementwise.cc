#include "kernels/elementwise.h"

#include <algorithm>
#include <string>

#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/profile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise.cc"
#include <hwy/foreach_target.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

template <class Function>
static HWY_INLINE void combine_rows(const ElementwiseJob& job, std::int64_t begin, std::int64_t end,
                                    const Function& function) {
  for (std::int64_t r = begin; r < end; ++r) {
    const float* b = job.b.row(r);
    float* out = job.out.row(r);
    each_sixteen(job.a.row(r), job.out.columns,
                 [&](const Floats& x, std::int64_t i, std::int64_t n)
                     TESSERA_INLINE_LAMBDA { store_first(function(x, load_first(b + i, n)), out + i, n); });
  }
}

void elementwise_rows(const ElementwiseJob& job, std::int64_t begin, std::int64_t end) {
  const Floats factor = Lanes::set(job.factor);
  const auto map = [&](auto function) HWY_ATTR {
    for (std::int64_t r = begin; r < end; ++r) map_row(job.a.row(r), job.out.columns, job.out.row(r), function);
  };
  switch (job.operation) {
    case Elementwise::add:
      return combine_rows(job, begin, end,
                          [](const Floats& x, const Floats& y) TESSERA_INLINE_LAMBDA { return Lanes::add(x, y); });
    case Elementwise::multiply:
      return combine_rows(job, begin, end,
                          [](const Floats& x, const Floats& y) TESSERA_INLINE_LAMBDA { return Lanes::mul(x, y); });
    case Elementwise::scale:
      return map([&](const Floats& x) TESSERA_INLINE_LAMBDA { return Lanes::mul(x, factor); });
    case Elementwise::copy:
      return map([](const Floats& x) TESSERA_INLINE_LAMBDA { return x; });
    case Elementwise::fill:
      for (std::int64_t r = begin; r < end; ++r) std::fill_n(job.out.row(r), job.out.columns, job.factor);
  }
}

void mean_frames_rows(const FramesJob& job, std::int64_t begin, std::int64_t end) {
  const Floats count = Lanes::set(static_cast<float>(job.factor));
  for (std::int64_t r = begin; r < end; ++r) {
    const ConstMatrix frames = job.x.slice(r * job.factor, job.factor);
    float* out = job.out.row(r);
    each_sixteen(frames.data, job.out.columns, [&](Floats sum, std::int64_t i, std::int64_t n) TESSERA_INLINE_LAMBDA {
      for (std::int64_t t = 1; t < job.factor; ++t) sum = Lanes::add(sum, load_first(frames.row(t) + i, n));
      store_first(Lanes::div(sum, count), out + i, n);
    });
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {

constexpr auto kElementwiseRows = TESSERA_BUILDS(elementwise_rows);
constexpr auto kMeanFramesRows = TESSERA_BUILDS(mean_frames_rows);

void require_shape(const char* operation, ConstMatrix input, Matrix out) {
  if (input.rows == out.rows && input.columns == out.columns) return;
  throw ArgumentError(std::string(operation) + ": shapes differ");
}

// The same vector as every row.
ConstMatrix repeated(const float* vector, Matrix out) { return {vector, out.rows, out.columns, 0}; }

void run(Context& context, const ElementwiseJob& job) {
  const Timed timed(context, "element-wise");
  if (context.device().is_cuda()) return cuda::elementwise(job);
  const std::int64_t grain = row_grain(job.out.columns);
  context.parallel_for(job.out.rows, grain, [&, rows = build_for(context, kElementwiseRows)](auto begin, auto end) {
    rows(job, begin, end);
  });
}

}  // namespace

void add(Context& context, ConstMatrix a, ConstMatrix b, Matrix out) {
  require_shape("add", a, out);
  require_shape("add", b, out);
  run(context, {Elementwise::add, a, b, 0.0F, out});
}

void multiply(Context& context, ConstMatrix a, ConstMatrix b, Matrix out) {
  require_shape("multiply", a, out);
  require_shape("multiply", b, out);
  run(context, {Elementwise::multiply, a, b, 0.0F, out});
}

void scale(Context& context, ConstMatrix x, float factor, Matrix out) {
  require_shape("scale", x, out);
  run(context, {Elementwise::scale, x, {}, factor, out});
}

void scale_columns(Context& context, ConstMatrix x, const float* vector, Matrix out) {
  require_shape("scale_columns", x, out);
  run(context, {Elementwise::multiply, x, repeated(vector, out), 0.0F, out});
}

void shift_columns(Context& context, ConstMatrix x, const float* vector, Matrix out) {
  require_shape("shift_columns", x, out);
  run(context, {Elementwise::add, x, repeated(vector, out), 0.0F, out});
}

void copy_rows(Context& context, ConstMatrix input, Matrix out) {
  require_shape("copy_rows", input, out);
  run(context, {Elementwise::copy, input, {}, 0.0F, out});
}

void fill(Context& context, float value, Matrix out) { run(context, {Elementwise::fill, {}, {}, value, out}); }

void mean_frames(Context& context, ConstMatrix x, std::int64_t factor, Matrix out) {
  if (factor < 1) throw ArgumentError("mean_frames: the factor is less than one");
  require_shape("mean_frames", {x.data, x.rows / factor, x.columns}, out);
  const FramesJob job{x, factor, out};
  if (context.device().is_cuda()) return cuda::mean_frames(job);
  context.parallel_for(
      out.rows, row_grain(factor * out.columns),
      [&, rows = build_for(context, kMeanFramesRows)](auto begin, auto end) { rows(job, begin, end); });
}

void repeat_frames(Context& context, ConstMatrix x, std::int64_t factor, Matrix out) {
  if (factor < 1) throw ArgumentError("repeat_frames: the factor is less than one");
  require_shape("repeat_frames", {x.data, x.rows * factor, x.columns}, out);
  if (context.device().is_cuda()) return cuda::repeat_frames({x, factor, out});
  context.parallel_for(out.rows, row_grain(out.columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) std::copy_n(x.row(r / factor), x.columns, out.row(r));
  });
}

}  // namespace tessera
#endif
