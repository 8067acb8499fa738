#include "kernels/norm.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/arithmetic.h"
#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/norm_job.h"
#include "kernels/profile.h"

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

// The first halves of eight lanes in place of the second ones; a register of four has none.
template <class V>
static HWY_INLINE V swap_fours(V v) {
  if constexpr (kPart > 4) return hn::SwapAdjacentBlocks(v);
  return v;
}

/// The halves of the fold within groups of kWidth (2, 4 or 8) neighbouring lanes: every lane gets its group's sum.
template <int kWidth>
static HWY_INLINE Floats fold_groups(Floats x) {
  if constexpr (kWidth == 8 && kPart == 4) {
    Floats r;
    TESSERA_EACH_PART r.part[p] = hn::Add(x.part[p], x.part[p ^ 1]);
    x = r;
  }
  TESSERA_EACH_PART {
    auto v = x.part[p];
    if constexpr (kWidth == 8 && kPart > 4) v = hn::Add(v, swap_fours(v));
    if constexpr (kWidth >= 4) v = hn::Add(v, hn::Shuffle1032(v));
    x.part[p] = hn::Add(v, hn::Shuffle2301(v));
  }
  return x;
}

/// Calls `body` with the channels of each of the pixels [begin, end).
template <class Body>
static HWY_INLINE void each_pixel(const ConstPicture& x, std::int64_t begin, std::int64_t end, const Body& body) {
  for (std::int64_t i = begin; i < end;) {
    const std::int64_t column = i % x.columns;
    const std::int64_t count = std::min(end - i, x.columns - column);
    const float* pixel = x.pixel(i / x.columns, column);
    for (std::int64_t k = 0; k < count; ++k, pixel += x.channels) body(pixel);
    i += count;
  }
}

/// kBlocks sixteens of channels from `channel` on, side by side in registers: groups of kWidth lanes.
template <int kWidth, int kBlocks, bool kSquares>
static HWY_INLINE void sum_narrow_groups(const GroupMomentsJob& job, std::int64_t begin, std::int64_t end,
                                         std::int64_t channel, float* sums) {
  Floats chain[kBlocks];
  Floats mean[kBlocks];
  for (int b = 0; b < kBlocks; ++b) {
    chain[b] = Lanes::set(0.0F);
    mean[b] = kSquares ? load(job.moments + channel + b * 16) : Lanes::set(0.0F);
  }
  const Floats zero = Lanes::set(0.0F);
  each_pixel(job.x, begin, end, [&](const float* pixel) TESSERA_INLINE_LAMBDA {
    for (int b = 0; b < kBlocks; ++b) {
      const Floats x = load(pixel + channel + b * 16);
      const Floats d = Lanes::sub(x, mean[b]);
      chain[b] = Lanes::add(chain[b], fold_groups<kWidth>(kSquares ? Lanes::fma(d, d, zero) : Lanes::add(x, zero)));
    }
  });
  alignas(64) float lanes[16 * kBlocks];
  for (int b = 0; b < kBlocks; ++b) store(chain[b], lanes + b * 16);
  for (int i = 0; i < 16 * kBlocks / kWidth; ++i) sums[channel / kWidth + i] = lanes[i * kWidth];
}

template <int kWidth, bool kSquares>
static void sum_narrow_slice(const GroupMomentsJob& job, std::int64_t begin, std::int64_t end, float* sums) {
  std::int64_t c = 0;
  for (; c + 64 <= job.x.channels; c += 64) sum_narrow_groups<kWidth, 4, kSquares>(job, begin, end, c, sums);
  for (; c < job.x.channels; c += 16) sum_narrow_groups<kWidth, 1, kSquares>(job, begin, end, c, sums);
}

template <bool kSquares>
static void sum_slice(const GroupMomentsJob& job, std::int64_t begin, std::int64_t end, float* sums) {
  const std::int64_t width = job.width();
  if (job.x.channels % 16 == 0) {
    if (width == 2) return sum_narrow_slice<2, kSquares>(job, begin, end, sums);
    if (width == 4) return sum_narrow_slice<4, kSquares>(job, begin, end, sums);
    if (width == 8) return sum_narrow_slice<8, kSquares>(job, begin, end, sums);
  }
  std::fill_n(sums, job.groups, 0.0F);
  each_pixel(job.x, begin, end, [&](const float* pixel) HWY_ATTR {
    for (std::int64_t g = 0; g < job.groups; ++g, pixel += width) {
      sums[g] += kSquares ? row_squares(pixel, width, job.moments[g * width]) : row_sum(pixel, width);
    }
  });
}

/// One slice of positions: the sums of all groups, or with `squares` those of the squared deviations.
void group_slice(const GroupMomentsJob& job, bool squares, std::int64_t slice) {
  const std::int64_t begin = slice * kSlice;
  const std::int64_t end = std::min(begin + kSlice, job.x.pixels());
  float* sums = job.sums + slice * job.groups;
  squares ? sum_slice<true>(job, begin, end, sums) : sum_slice<false>(job, begin, end, sums);
}

void group_norm_rows(const NormJob& job, const float* moments, std::int64_t begin, std::int64_t end) {
  const float* scales = moments + job.input.columns;
  for (std::int64_t r = begin; r < end; ++r) {
    each_sixteen(job.input.row(r), job.input.columns, [&](const Floats& x, auto i, auto n) TESSERA_INLINE_LAMBDA {
      const Floats d = Lanes::sub(x, load_first(moments + i, n));
      write_sixteen(Lanes::mul(d, load_first(scales + i, n)), job, i, n, job.out.row(r));
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
void spread(const GroupMomentsJob& job, float* channels, const Finish& finish) {
  for (std::int64_t g = 0; g < job.groups; ++g) {
    std::fill_n(channels + g * job.width(), job.width(), finish(job.total(g)));
  }
}

void moments_on_cpu(Context& context, const GroupMomentsJob& job) {
  if (context.measures()) return;
  const auto sum_slices = [&](bool squares) {
    context.parallel_for(job.slices(), 1, [&, slice = build_for(context, kGroupSlice)](auto begin, auto end) {
      for (std::int64_t i = begin; i < end; ++i) slice(job, squares, i);
    });
  };
  sum_slices(false);
  spread(job, job.moments, [&](float sum) { return sum / job.count(); });
  sum_slices(true);
  spread(job, job.scales(), [&](float sum) { return 1.0F / std::sqrt(sum / job.count() + job.epsilon); });
}

// Its positions as pixels: in one row when they lie side by side.
ConstPicture picture_of(ConstMatrix m) {
  if (m.row_step == m.columns) return {m.data, 1, m.rows, m.columns, m.rows * m.columns};
  return {m.data, m.rows, 1, m.columns, m.row_step};
}

}  // namespace

void layer_norm(Context& context, ConstMatrix input, const float* weight, const float* bias, float epsilon,
                Matrix out) {
  require_same_shape("layer_norm", input, out);
  const Timed timed(context, "norm");
  const NormJob job{input, weight, bias, epsilon, out};
  if (context.device().is_cuda()) return cuda::layer_norm(job);
  const std::int64_t grain = row_grain(input.columns);
  context.parallel_for(input.rows, grain,
                       [&, rows = build_for(context, kLayerNormRows)](auto begin, auto end) { rows(job, begin, end); });
}

void rms_norm(Context& context, ConstMatrix input, const float* weight, float epsilon, Matrix out) {
  require_same_shape("rms_norm", input, out);
  const Timed timed(context, "norm");
  const NormJob job{input, weight, nullptr, epsilon, out};
  if (context.device().is_cuda()) return cuda::rms_norm(job);
  const std::int64_t grain = row_grain(input.columns);
  context.parallel_for(input.rows, grain,
                       [&, rows = build_for(context, kRmsNormRows)](auto begin, auto end) { rows(job, begin, end); });
}

void group_moments(Context& context, ConstPicture x, std::int64_t groups, float epsilon, float* moments) {
  if (groups <= 0 || x.channels % groups != 0) {
    throw ArgumentError("group_norm: " + std::to_string(x.channels) + " channels do not make " +
                        std::to_string(groups) + " equal groups");
  }
  if (x.pixels() == 0 || x.channels == 0) return;
  const Timed timed(context, "norm");
  GroupMomentsJob job{x, groups, epsilon, moments, nullptr};
  const Tensor sums = context.scratch({job.slices(), groups});
  job.sums = sums.data();
  context.device().is_cuda() ? cuda::group_moments(job) : moments_on_cpu(context, job);
}

void group_norm(Context& context, ConstMatrix input, std::int64_t groups, const float* weight, const float* bias,
                float epsilon, Matrix out) {
  require_same_shape("group_norm", input, out);
  const Tensor moments = context.scratch({2, input.columns});
  group_moments(context, picture_of(input), groups, epsilon, moments.data());
  if (input.rows == 0 || input.columns == 0) return;
  const Timed timed(context, "norm");
  const NormJob job{input, weight, bias, epsilon, out};
  if (context.device().is_cuda()) return cuda::group_norm(job, moments.data());
  context.parallel_for(
      input.rows, row_grain(input.columns),
      [&, rows = build_for(context, kGroupNormRows)](auto begin, auto end) { rows(job, moments.data(), begin, end); });
}

void l2_normalize(Context& context, ConstMatrix x, float epsilon, Matrix out) {
  require_same_shape("l2_normalize", x, out);
  const Timed timed(context, "norm");
  if (context.device().is_cuda()) return cuda::l2_normalize(x, epsilon, out);
  const NormJob job{x, nullptr, nullptr, epsilon, out};
  context.parallel_for(
      x.rows, row_grain(x.columns),
      [&, rows = build_for(context, kL2NormalizeRows)](auto begin, auto end) { rows(job, begin, end); });
}

}  // namespace tessera
#endif
