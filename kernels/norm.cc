#include "kernels/norm.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/arithmetic.h"
#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/norm_job.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm.cc"
#include <hwy/foreach_target.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

// x with zeros from lane `count` on.
static HWY_INLINE Floats keep_first(const Floats& x, std::int64_t count) {
  Floats r;
  TESSERA_EACH_PART {
    const std::int64_t left = std::max<std::int64_t>(count - p * kPart, 0);
    r.part[p] = hn::IfThenElseZero(hn::FirstN(FloatTag(), static_cast<std::size_t>(left)), x.part[p]);
  }
  return r;
}

static HWY_INLINE float row_sum(const float* row, std::int64_t columns) {
  Floats chains = Lanes::set(0.0F);
  each_sixteen(row, columns,
               [&](const Floats& x, auto, auto) TESSERA_INLINE_LAMBDA { chains = Lanes::add(chains, x); });
  return fold(chains);
}

static HWY_INLINE float row_squares(const float* row, std::int64_t columns, float mean) {
  Floats chains = Lanes::set(0.0F);
  each_sixteen(row, columns, [&](const Floats& x, auto, std::int64_t count) TESSERA_INLINE_LAMBDA {
    Floats d = Lanes::sub(x, Lanes::set(mean));
    if (count != 16) d = keep_first(d, count);
    chains = Lanes::fma(d, d, chains);
  });
  return fold(chains);
}

static HWY_INLINE float inverse_root(float squares, float count, float epsilon) {
  return 1.0F / std::sqrt(squares / count + epsilon);
}

static HWY_INLINE void write_sixteen(const Floats& scaled, const NormJob& job, std::int64_t i, std::int64_t count,
                                     float* out) {
  const Floats weight = load_first(job.weight + i, count);
  Floats y = Lanes::mul(scaled, weight);
  if (job.bias != nullptr) y = Lanes::fma(scaled, weight, load_first(job.bias + i, count));
  store_first(y, out + i, count);
}

void layer_norm_rows(const NormJob& job, std::int64_t begin, std::int64_t end) {
  const std::int64_t columns = job.input.columns;
  const auto count = static_cast<float>(columns);
  for (std::int64_t r = begin; r < end; ++r) {
    const float* row = job.input.row(r);
    const float mean = row_sum(row, columns) / count;
    const Floats scale = Lanes::set(inverse_root(row_squares(row, columns, mean), count, job.epsilon));
    each_sixteen(row, columns, [&](const Floats& x, std::int64_t i, std::int64_t n) TESSERA_INLINE_LAMBDA {
      write_sixteen(Lanes::mul(Lanes::sub(x, Lanes::set(mean)), scale), job, i, n, job.out.row(r));
    });
  }
}

void rms_norm_rows(const NormJob& job, std::int64_t begin, std::int64_t end) {
  const std::int64_t columns = job.input.columns;
  for (std::int64_t r = begin; r < end; ++r) {
    const float* row = job.input.row(r);
    const float squares = row_squares(row, columns, 0.0F);
    const Floats scale = Lanes::set(inverse_root(squares, static_cast<float>(columns), job.epsilon));
    each_sixteen(row, columns, [&](const Floats& x, std::int64_t i, std::int64_t n) TESSERA_INLINE_LAMBDA {
      write_sixteen(Lanes::mul(x, scale), job, i, n, job.out.row(r));
    });
  }
}

void l2_normalize_rows(const NormJob& job, std::int64_t begin, std::int64_t end) {
  const std::int64_t columns = job.input.columns;
  for (std::int64_t r = begin; r < end; ++r) {
    const float* row = job.input.row(r);
    const float norm = std::sqrt(row_squares(row, columns, 0.0F));
    const Floats divisor = Lanes::set(norm < job.epsilon ? job.epsilon : norm);
    map_row(row, columns, job.out.row(r),
            [&](const Floats& x) TESSERA_INLINE_LAMBDA { return Lanes::div(x, divisor); });
  }
}

template <bool kSquares>
static void sum_slice(const GroupNormJob& job, std::int64_t begin, std::int64_t end, float* sums) {
  const std::int64_t width = job.width();
  std::fill_n(sums, job.groups, 0.0F);
  for (std::int64_t r = begin; r < end; ++r) {
    const float* row = job.norm.input.row(r);
    for (std::int64_t g = 0; g < job.groups; ++g, row += width) {
      sums[g] += kSquares ? row_squares(row, width, job.means()[g * width]) : row_sum(row, width);
    }
  }
}

/// One slice of positions: the sums of all groups, or with `squares` those of the squared deviations.
void group_slice(const GroupNormJob& job, bool squares, std::int64_t slice) {
  const std::int64_t begin = slice * kSlice;
  const std::int64_t end = std::min(begin + kSlice, job.norm.input.rows);
  float* sums = job.slice_sums() + slice * job.groups;
  squares ? sum_slice<true>(job, begin, end, sums) : sum_slice<false>(job, begin, end, sums);
}

void group_norm_rows(const GroupNormJob& job, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    each_sixteen(job.norm.input.row(r), job.norm.input.columns,
                 [&](const Floats& x, auto i, auto n) TESSERA_INLINE_LAMBDA {
                   const Floats d = Lanes::sub(x, load_first(job.means() + i, n));
                   write_sixteen(Lanes::mul(d, load_first(job.scales() + i, n)), job.norm, i, n, job.norm.out.row(r));
                 });
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {

constexpr auto kLayerNormRows = TESSERA_BUILDS(layer_norm_rows);
constexpr auto kRmsNormRows = TESSERA_BUILDS(rms_norm_rows);
constexpr auto kL2NormalizeRows = TESSERA_BUILDS(l2_normalize_rows);
constexpr auto kGroupSlice = TESSERA_BUILDS(group_slice);
constexpr auto kGroupNormRows = TESSERA_BUILDS(group_norm_rows);

void require_same_shape(const char* operation, ConstMatrix input, Matrix out) {
  if (input.rows == out.rows && input.columns == out.columns) return;
  throw ArgumentError(std::string(operation) + ": input and output differ in shape");
}

// Gives every channel its group's value of `finish(total)`.
template <class Finish>
void spread(const GroupNormJob& job, float* channels, const Finish& finish) {
  for (std::int64_t g = 0; g < job.groups; ++g) {
    std::fill_n(channels + g * job.width(), job.width(), finish(job.total(g)));
  }
}

void group_norm_on_cpu(Context& context, const GroupNormJob& job) {
  const auto sum_slices = [&](bool squares) {
    context.parallel_for(job.slices(), 1, [&, slice = build_for(context, kGroupSlice)](auto begin, auto end) {
      for (std::int64_t i = begin; i < end; ++i) slice(job, squares, i);
    });
  };
  sum_slices(false);
  spread(job, job.means(), [&](float sum) { return sum / job.count(); });
  sum_slices(true);
  spread(job, job.scales(), [&](float sum) { return 1.0F / std::sqrt(sum / job.count() + job.norm.epsilon); });
  const std::int64_t grain = row_grain(job.norm.input.columns);
  context.parallel_for(job.norm.input.rows, grain,
                       [&, rows = build_for(context, kGroupNormRows)](auto begin, auto end) { rows(job, begin, end); });
}

}  // namespace

void layer_norm(Context& context, ConstMatrix input, const float* weight, const float* bias, float epsilon,
                Matrix out) {
  require_same_shape("layer_norm", input, out);
  const NormJob job{input, weight, bias, epsilon, out};
  if (context.device().is_cuda()) return cuda::layer_norm(job);
  const std::int64_t grain = row_grain(input.columns);
  context.parallel_for(input.rows, grain,
                       [&, rows = build_for(context, kLayerNormRows)](auto begin, auto end) { rows(job, begin, end); });
}

void rms_norm(Context& context, ConstMatrix input, const float* weight, float epsilon, Matrix out) {
  require_same_shape("rms_norm", input, out);
  const NormJob job{input, weight, nullptr, epsilon, out};
  if (context.device().is_cuda()) return cuda::rms_norm(job);
  const std::int64_t grain = row_grain(input.columns);
  context.parallel_for(input.rows, grain,
                       [&, rows = build_for(context, kRmsNormRows)](auto begin, auto end) { rows(job, begin, end); });
}

void group_norm(Context& context, ConstMatrix input, std::int64_t groups, const float* weight, const float* bias,
                float epsilon, Matrix out) {
  require_same_shape("group_norm", input, out);
  if (groups <= 0 || input.columns % groups != 0) {
    throw ArgumentError("group_norm: " + std::to_string(input.columns) + " channels do not make " +
                        std::to_string(groups) + " equal groups");
  }
  if (input.rows == 0 || input.columns == 0) return;
  GroupNormJob job{{input, weight, bias, epsilon, out}, groups, nullptr};
  const Tensor work = context.scratch({job.work_size()});
  job.work = work.data();
  if (context.device().is_cuda()) return cuda::group_norm(job);
  group_norm_on_cpu(context, job);
}

void l2_normalize(Context& context, ConstMatrix x, float epsilon, Matrix out) {
  require_same_shape("l2_normalize", x, out);
  if (context.device().is_cuda()) return cuda::l2_normalize(x, epsilon, out);
  const NormJob job{x, nullptr, nullptr, epsilon, out};
  context.parallel_for(
      x.rows, row_grain(x.columns),
      [&, rows = build_for(context, kL2NormalizeRows)](auto begin, auto end) { rows(job, begin, end); });
}

}  // namespace tessera
#endif
