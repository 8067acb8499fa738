// Sixteen floats at a time on every CPU: one AVX-512 register, two of AVX2, four of NEON. The arithmetic contract
// counts in sixteens (panels of 16 outputs, 16 interleaved chains), so this is the only width kernels know.
// Included once per instruction set by hwy/foreach_target.h.

#if defined(TESSERA_KERNELS_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_LANES_INL_H_
#undef TESSERA_KERNELS_LANES_INL_H_
#else
#define TESSERA_KERNELS_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, 16>;
using IntTag = hn::RebindToSigned<FloatTag>;
inline constexpr int kPart = static_cast<int>(hn::MaxLanes(FloatTag()));
inline constexpr int kParts = 16 / kPart;

struct Floats {
  hn::Vec<FloatTag> part[kParts];
};
struct Ints {
  hn::Vec<IntTag> part[kParts];
};
struct Mask {
  hn::Mask<FloatTag> part[kParts];
};

// Of lambdas that work on sixteen floats: GCC leaves one that a loop and its tail both call out of line, and
// then its floats pass through memory.
#define TESSERA_INLINE_LAMBDA HWY_ATTR __attribute__((always_inline))

#define TESSERA_EACH_PART for (int p = 0; p < kParts; ++p)

/// Element-wise operations on sixteen floats, in the form arithmetic.inc asks for.
struct Lanes {
  using F = Floats;
  using I = Ints;
  using M = Mask;

#define TESSERA_UNARY(name, R, A, expression)   \
  static HWY_INLINE R name(const A& a) {        \
    R r;                                        \
    TESSERA_EACH_PART r.part[p] = (expression); \
    return r;                                   \
  }
#define TESSERA_BINARY(name, R, A, expression)       \
  static HWY_INLINE R name(const A& a, const A& b) { \
    R r;                                             \
    TESSERA_EACH_PART r.part[p] = (expression);      \
    return r;                                        \
  }
  TESSERA_BINARY(add, F, F, hn::Add(a.part[p], b.part[p]))
  TESSERA_BINARY(sub, F, F, hn::Sub(a.part[p], b.part[p]))
  TESSERA_BINARY(mul, F, F, hn::Mul(a.part[p], b.part[p]))
  TESSERA_BINARY(div, F, F, hn::Div(a.part[p], b.part[p]))
  TESSERA_BINARY(max, F, F, hn::IfThenElse(hn::Lt(a.part[p], b.part[p]), b.part[p], a.part[p]))
  // NaN in `a` stays: x86 gives the second operand then, NEON NaN. The bounds `b` are never zero or NaN.
  TESSERA_BINARY(at_least, F, F, hn::Max(b.part[p], a.part[p]))
  TESSERA_BINARY(at_most, F, F, hn::Min(b.part[p], a.part[p]))
  TESSERA_BINARY(less, M, F, hn::Lt(a.part[p], b.part[p]))
  TESSERA_BINARY(equal, M, F, hn::Eq(a.part[p], b.part[p]))
  TESSERA_BINARY(copy_sign, F, F, hn::CopySign(a.part[p], b.part[p]))
  TESSERA_BINARY(iadd, I, I, hn::Add(a.part[p], b.part[p]))
  TESSERA_BINARY(isub, I, I, hn::Sub(a.part[p], b.part[p]))
  TESSERA_UNARY(sqrt, F, F, hn::Sqrt(a.part[p]))
  TESSERA_UNARY(abs, F, F, hn::Abs(a.part[p]))
  TESSERA_UNARY(to_float, F, I, hn::ConvertTo(FloatTag(), a.part[p]))
  TESSERA_UNARY(bits, I, F, hn::BitCast(IntTag(), a.part[p]))
  TESSERA_UNARY(from_bits, F, I, hn::BitCast(FloatTag(), a.part[p]))
#undef TESSERA_UNARY
#undef TESSERA_BINARY

  static HWY_INLINE F set(float x) {
    F r;
    TESSERA_EACH_PART r.part[p] = hn::Set(FloatTag(), x);
    return r;
  }
  static HWY_INLINE I iset(std::int32_t x) {
    I r;
    TESSERA_EACH_PART r.part[p] = hn::Set(IntTag(), x);
    return r;
  }
  static HWY_INLINE F fma(const F& a, const F& b, const F& c) {
    F r;
    TESSERA_EACH_PART r.part[p] = hn::MulAdd(a.part[p], b.part[p], c.part[p]);
    return r;
  }
  static HWY_INLINE F fnma(const F& a, const F& b, const F& c) {
    F r;
    TESSERA_EACH_PART r.part[p] = hn::NegMulAdd(a.part[p], b.part[p], c.part[p]);
    return r;
  }
  static HWY_INLINE F select(const M& m, const F& yes, const F& no) {
    F r;
    TESSERA_EACH_PART r.part[p] = hn::IfThenElse(m.part[p], yes.part[p], no.part[p]);
    return r;
  }
  static HWY_INLINE M test_bit(const I& a, std::int32_t bit) {
    M r;
    TESSERA_EACH_PART r.part[p] = hn::RebindMask(FloatTag(), hn::TestBit(a.part[p], hn::Set(IntTag(), bit)));
    return r;
  }
  template <int N>
  static HWY_INLINE I shift_left(const I& a) {
    I r;
    TESSERA_EACH_PART r.part[p] = hn::ShiftLeft<N>(a.part[p]);
    return r;
  }
  template <int N>
  static HWY_INLINE I shift_right(const I& a) {
    I r;
    TESSERA_EACH_PART r.part[p] = hn::ShiftRight<N>(a.part[p]);
    return r;
  }
};

static HWY_INLINE Floats load(const float* at) {
  Floats r;
  TESSERA_EACH_PART r.part[p] = hn::LoadU(FloatTag(), at + p * kPart);
  return r;
}

static HWY_INLINE void store(const Floats& x, float* at) {
  TESSERA_EACH_PART hn::StoreU(x.part[p], FloatTag(), at + p * kPart);
}

/// The first `count` (0…16) elements, zeros behind them; nothing beyond is touched. All sixteen need no mask.
static HWY_INLINE Floats load_first(const float* at, std::int64_t count) {
  if (count == 16) return load(at);
  Floats r;
  TESSERA_EACH_PART {
    const std::int64_t left = count - p * kPart;
    const auto mask = hn::FirstN(FloatTag(), static_cast<std::size_t>(left < 0 ? 0 : left));
    r.part[p] = left <= 0 ? hn::Zero(FloatTag()) : hn::MaskedLoad(mask, FloatTag(), at + p * kPart);
  }
  return r;
}

static HWY_INLINE void store_first(const Floats& x, float* at, std::int64_t count) {
  if (count == 16) return store(x, at);
  TESSERA_EACH_PART {
    const std::int64_t left = count - p * kPart;
    if (left <= 0) return;
    hn::BlendedStore(x.part[p], hn::FirstN(FloatTag(), static_cast<std::size_t>(left)), FloatTag(), at + p * kPart);
  }
}

template <class D>
static HWY_INLINE float fold_vector(D, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::Half<D> half;
    return fold_vector(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  } else {
    v = hn::Add(v, hn::Shuffle1032(v));
    return hn::GetLane(hn::Add(v, hn::Shuffle2301(v)));
  }
}

/// Sixteen chains folded by halves: j += j + 8, then 4, 2, 1.
static HWY_INLINE float fold(Floats x) {
  for (int half = kParts / 2; half != 0; half /= 2) {
    for (int p = 0; p < half; ++p) x.part[p] = hn::Add(x.part[p], x.part[p + half]);
  }
  return fold_vector(FloatTag(), x.part[0]);
}

/// Calls `body(x, i, count)` on each sixteen of a row; the last may hold fewer (zeros behind).
template <class Body>
static HWY_INLINE void each_sixteen(const float* row, std::int64_t columns, const Body& body) {
  std::int64_t i = 0;
  for (; i + 16 <= columns; i += 16) body(load(row + i), i, std::int64_t{16});
  if (i < columns) body(load_first(row + i, columns - i), i, columns - i);
}

/// out[i] = body(in[i]) over a row; in place is fine.
template <class Body>
static HWY_INLINE void map_row(const float* in, std::int64_t columns, float* out, const Body& body) {
  std::int64_t i = 0;
  for (; i + 16 <= columns; i += 16) store(body(load(in + i)), out + i);
  if (i < columns) store_first(body(load_first(in + i, columns - i)), out + i, columns - i);
}

#if !defined(TESSERA_SANITIZED)
#define TESSERA_LANES_FUNCTION static HWY_INLINE
#else
// Inlined into every kernel, instrumented polynomials take compilers minutes.
#define TESSERA_LANES_FUNCTION [[maybe_unused]] static HWY_NOINLINE
#endif
#include "kernels/arithmetic.inc"
#undef TESSERA_LANES_FUNCTION

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
