#include "kernels/rotary.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/constants.h"
#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/profile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rotary.cc"
#include <hwy/foreach_target.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

static HWY_INLINE void sines_and_cosines(const RotaryJob& job, std::int64_t row, float* sines, float* cosines) {
  const Floats position = Lanes::set(static_cast<float>(job.first_position + row));
  for (std::int64_t j = 0; j < job.half(); j += 16) {
    const std::int64_t n = std::min<std::int64_t>(job.half() - j, 16);
    const SinCos<Lanes> turn = sincos<Lanes>(Lanes::mul(position, load_first(job.frequencies + j, n)));
    store_first(turn.sin, sines + j, n);
    store_first(turn.cos, cosines + j, n);
  }
}

static HWY_INLINE void turn_halves(const float* sines, const float* cosines, std::int64_t half, float* head) {
  for (std::int64_t j = 0; j < half; j += 16) {
    const std::int64_t n = std::min<std::int64_t>(half - j, 16);
    const Floats sin = load_first(sines + j, n);
    const Floats cos = load_first(cosines + j, n);
    const Floats x1 = load_first(head + j, n);
    const Floats x2 = load_first(head + half + j, n);
    const Floats minus = Lanes::mul(x2, sin);
    Floats y1;
    TESSERA_EACH_PART y1.part[p] = hn::MulSub(x1.part[p], cos.part[p], minus.part[p]);
    store_first(y1, head + j, n);
    store_first(Lanes::fma(x2, cos, Lanes::mul(x1, sin)), head + half + j, n);
  }
}

// For neighbours: each element's own cosine, and its partner's sine with the partner's sign.
static HWY_INLINE void spread(std::int64_t half, float* sines, float* cosines) {
  for (std::int64_t j = half - 1; j >= 0; --j) {
    sines[2 * j + 1] = sines[j];
    sines[2 * j] = -sines[2 * j + 1];
    cosines[2 * j] = cosines[2 * j + 1] = cosines[j];
  }
}

static HWY_INLINE void turn_neighbours(const float* sines, const float* cosines, std::int64_t rotary_dim, float* head) {
  for (std::int64_t i = 0; i < rotary_dim; i += 16) {
    const std::int64_t n = std::min<std::int64_t>(rotary_dim - i, 16);
    const Floats x = load_first(head + i, n);
    Floats partner;
    TESSERA_EACH_PART partner.part[p] = hn::Reverse2(FloatTag(), x.part[p]);
    const Floats minus = Lanes::mul(partner, load_first(sines + i, n));
    store_first(Lanes::fma(x, load_first(cosines + i, n), minus), head + i, n);
  }
}

void rotary_rows(const RotaryJob& job, std::int64_t begin, std::int64_t end) {
  const RotaryShape& shape = job.shape;
  const bool neighbours = shape.layout == RotaryLayout::interleaved;
  for (std::int64_t r = begin; r < end; ++r) {
    float* sines = job.work + r * 2 * shape.rotary_dim;
    float* cosines = sines + shape.rotary_dim;
    sines_and_cosines(job, r, sines, cosines);
    if (neighbours) spread(job.half(), sines, cosines);
    for (int h = 0; h < shape.heads; ++h) {
      float* head = job.x.row(r) + static_cast<std::int64_t>(h) * shape.head_dim;
      neighbours ? turn_neighbours(sines, cosines, shape.rotary_dim, head)
                 : turn_halves(sines, cosines, job.half(), head);
    }
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {
constexpr auto kRotaryRows = TESSERA_BUILDS(rotary_rows);
}  // namespace

std::vector<float> rotary_frequencies(float theta, int rotary_dim) {
  std::vector<float> frequencies;
  for (int i = 0; i < rotary_dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(rotary_dim);
    frequencies.push_back(1.0F / static_cast<float>(exact_pow(theta, exponent)));
  }
  return frequencies;
}

void rotary(Context& context, const RotaryShape& shape, const float* frequencies, std::int64_t first_position,
            Matrix x) {
  const bool whole = shape.heads >= 0 && shape.head_dim > 0 && shape.rotary_dim >= 0 && shape.rotary_dim % 2 == 0 &&
                     shape.rotary_dim <= shape.head_dim;
  if (!whole) throw ArgumentError("rotary: rotary_dim is an even part of head_dim");
  if (x.columns != static_cast<std::int64_t>(shape.heads) * shape.head_dim) {
    throw ArgumentError("rotary: " + std::to_string(x.columns) + " columns are not " + std::to_string(shape.heads) +
                        " heads of " + std::to_string(shape.head_dim));
  }
  const Timed timed(context, "rotary");
  RotaryJob job{shape, frequencies, first_position, x, nullptr};
  if (context.device().is_cuda()) return cuda::rotary(job);
  const Tensor work = context.scratch({x.rows, 2, shape.rotary_dim});
  job.work = work.data();
  context.parallel_for(x.rows, row_grain(x.columns),
                       [&, rows = build_for(context, kRotaryRows)](auto begin, auto end) { rows(job, begin, end); });
}

}  // namespace tessera
#endif
