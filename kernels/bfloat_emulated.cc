// The bf16 units of x86-64 on any CPU, as Intel's manual describes their instructions.

#include <algorithm>
#include <cfloat>
#include <cstring>
#include <utility>

#include "kernels/bfloat.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/bfloat_emulated.cc"
#include <hwy/foreach_target.h>

#include "kernels/lanes-inl.h"

#define TESSERA_INLINE_FUNCTION static HWY_INLINE
#define TESSERA_UNIT_FUNCTION static

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

#include "kernels/each.inc"

#include "kernels/bfloat_loops.inc"

/// A denormal result is a zero of its sign.
static HWY_INLINE Floats flush(const Floats& x) {
  return Lanes::select(Lanes::less(Lanes::abs(x), Lanes::set(FLT_MIN)), Lanes::copy_sign(Lanes::set(0.0F), x), x);
}

static HWY_INLINE Floats fma_flushed(const Floats& a, const Floats& b, const Floats& c) {
  return flush(Lanes::fma(a, b, c));
}

/// Sixteen pairs of bfloat16, the even ones in the lower halves.
struct PairVectors {
  static HWY_INLINE Ints load_pairs(const std::uint16_t* at) {
    const hn::Repartition<std::uint16_t, IntTag> halves;
    Ints r;
    TESSERA_EACH_PART r.part[p] = hn::BitCast(IntTag(), hn::LoadU(halves, at + p * 2 * kPart));
    return r;
  }
  static HWY_INLINE Ints broadcast_pair(const std::uint16_t* at) {
    std::int32_t pair = 0;
    std::memcpy(&pair, at, sizeof pair);
    return Lanes::iset(pair);
  }
  static HWY_INLINE Floats even(const Ints& pairs) { return Lanes::from_bits(Lanes::shift_left<16>(pairs)); }
  static HWY_INLINE Floats odd(const Ints& pairs) {
    return Lanes::from_bits(Lanes::shift_left<16>(Lanes::shift_right<16>(pairs)));
  }
  static HWY_INLINE void round_step(const float* row, std::uint16_t* out) {
    for (int i = 0; i < bfloat::kStep; ++i) out[i] = bfloat::round(row[i]);
  }
};

struct EmulatedAvx512Bf16 : PairVectors {
  using Sums = Floats;
  using Pairs = Ints;

  static HWY_INLINE Sums zero() { return Lanes::set(0.0F); }
  static HWY_INLINE Sums load(const float* at) { return tessera::HWY_NAMESPACE::load(at); }
  static HWY_INLINE void store(const Sums& sums, float* at) { tessera::HWY_NAMESPACE::store(sums, at); }
  static HWY_INLINE Sums dot(const Sums& sums, const Pairs& x, const Pairs& w) {
    return fma_flushed(even(w), even(x), fma_flushed(odd(w), odd(x), sums));
  }
};

class EmulatedAmx : public PairVectors {
 public:
  EmulatedAmx(int first_rows, int second_rows) : row_count_{first_rows, second_rows} {}

  template <int kRowTile, int kPanel>
  void zero(SumTile<kRowTile, kPanel>) {
    std::memset(sums_[kRowTile][kPanel], 0, sizeof sums_[kRowTile][kPanel]);
  }
  template <int kRowTile, int kPanel>
  void load(SumTile<kRowTile, kPanel>, const float* at, std::int64_t row_step) {
    for (int m = 0; m < row_count_[kRowTile]; ++m) std::memcpy(sums_[kRowTile][kPanel][m], at + m * row_step, 64);
  }
  template <int kRowTile, int kPanel>
  void store(SumTile<kRowTile, kPanel>, float* at, std::int64_t row_step) const {
    for (int m = 0; m < row_count_[kRowTile]; ++m) std::memcpy(at + m * row_step, sums_[kRowTile][kPanel][m], 64);
  }
  template <int kIndex>
  void load(RowTile<kIndex>, const std::uint16_t* at) {
    std::memcpy(rows_[kIndex], at, static_cast<std::size_t>(row_count_[kIndex]) * 64);
  }
  template <int kIndex>
  void load(PanelTile<kIndex>, const std::uint16_t* at) {
    std::memcpy(panels_[kIndex], at, sizeof panels_[kIndex]);
  }
  template <int kRowTile, int kPanel>
  void dot(SumTile<kRowTile, kPanel>) {
    dot(kRowTile, kPanel);
  }

 private:
  HWY_NOINLINE void dot(int row_tile, int panel) {
    for (int m = 0; m < row_count_[row_tile]; ++m) {
      Floats evens = Lanes::set(0.0F);
      Floats odds = Lanes::set(0.0F);
      for (int k = 0; k < 16; ++k) {
        const Ints x = broadcast_pair(rows_[row_tile][m] + 2 * k);
        const Ints w = load_pairs(panels_[panel][k]);
        evens = fma_flushed(even(x), even(w), evens);
        odds = fma_flushed(odd(x), odd(w), odds);
      }
      float* sum = sums_[row_tile][panel][m];
      tessera::HWY_NAMESPACE::store(
          flush(Lanes::add(tessera::HWY_NAMESPACE::load(sum), flush(Lanes::add(evens, odds)))), sum);
    }
  }

  int row_count_[2];
  float sums_[2][2][16][16];
  std::uint16_t rows_[2][16][32];
  std::uint16_t panels_[2][16][32];
};

void round_row_emulated(const float* row, std::int64_t steps, std::uint16_t* out) {
  round_row<PairVectors>(row, steps, out);
}
void multiply_emulated_avx512(const bfloat::Block& block) { multiply_by_pairs<EmulatedAvx512Bf16>(block); }
void multiply_emulated_amx(const bfloat::Block& block) { multiply_by_tiles<EmulatedAmx>(block); }

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#undef TESSERA_INLINE_FUNCTION
#undef TESSERA_UNIT_FUNCTION

#if HWY_ONCE
namespace tessera::bfloat {
namespace {

constexpr auto kRoundRow = TESSERA_BUILDS(round_row_emulated);
constexpr auto kMultiplyAvx512 = TESSERA_BUILDS(multiply_emulated_avx512);
constexpr auto kMultiplyAmx = TESSERA_BUILDS(multiply_emulated_amx);

}  // namespace

Kernels emulated_kernels(const Context& context, BfloatUnit unit) noexcept {
  const auto& multiply = unit == BfloatUnit::emulated_amx ? kMultiplyAmx : kMultiplyAvx512;
  return {build_for(context, kRoundRow), build_for(context, multiply)};
}

Kernels kernels_of(const Context& context, BfloatUnit unit) {
  return is_emulated(unit) ? emulated_kernels(context, unit) : native_kernels(unit);
}

}  // namespace tessera::bfloat
#endif
