// The bf16 units of x86-64 on any CPU, as Intel's manual describes their instructions.

#include <algorithm>
#include <cfloat>
#include <cstring>
#include <utility>

#include "kernels/bfloat.h"
#include "kernels/dispatch.h"
#include "kernels/quantised.h"

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
  static HWY_INLINE void store_pairs(const Ints& pairs, std::uint16_t* at) {
    const hn::Repartition<std::uint16_t, IntTag> halves;
    TESSERA_EACH_PART hn::StoreU(hn::BitCast(halves, pairs.part[p]), halves, at + p * 2 * kPart);
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
  static HWY_INLINE Sums widen(const std::uint16_t* at) {
    HWY_ALIGN float wide[16];
    for (int i = 0; i < 16; ++i) wide[i] = float_from_bf16(at[i]);
    return tessera::HWY_NAMESPACE::load(wide);
  }
  static HWY_INLINE Sums fma(const Sums& a, const Sums& b, const Sums& c) { return Lanes::fma(a, b, c); }
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
/// Codes of an octet; `Code` says what those of an input are.
template <class Code>
struct EmulatedCodes {
  static constexpr int kOctetBytes = 64;
  static constexpr int kBlocksAhead = 1;
  struct Octet {
    const std::uint8_t* codes;
    std::int64_t k;
    std::int64_t count;
  };

  static Octet load(const std::uint8_t* codes, std::int64_t k, std::int64_t depth) { return {codes, k, depth - k}; }
  template <int kPair>
  static HWY_NOINLINE Ints pair(Octet octet) {
    std::uint16_t pairs[32];
    for (int i = 0; i < 32; ++i) {
      const int input = kPair * 2 + i % 2;
      pairs[i] =
          input < octet.count ? bfloat::small_integer(Code::at(octet.codes, octet.k + input, i / 2)) : bfloat::kNoCode;
    }
    return PairVectors::load_pairs(pairs);
  }
};

struct Int4Code {
  static int at(const std::uint8_t* codes, std::int64_t k, int lane) {
    std::uint32_t word = 0;
    std::memcpy(&word, codes + k / 8 * 64 + lane * 4, sizeof word);
    return static_cast<int>(word >> (k % 2 * 16 + k % 8 / 2 * 4) & 15) - quantised::kBias4;
  }
};

struct Int8Code {
  static int at(const std::uint8_t* codes, std::int64_t k, int lane) {
    return static_cast<std::int8_t>(codes[k * 16 + lane]);
  }
};

void multiply_emulated_avx512(const bfloat::Block& block) { multiply_by_pairs<EmulatedAvx512Bf16, false>(block); }
void multiply_emulated_amx(const bfloat::Block& block) { multiply_by_tiles<EmulatedAmx, false>(block); }
void multiply_scaled_emulated_avx512(const bfloat::Block& block) { multiply_by_pairs<EmulatedAvx512Bf16, true>(block); }
void multiply_scaled_emulated_amx(const bfloat::Block& block) { multiply_by_tiles<EmulatedAmx, true>(block); }
void pair_int4_emulated(const std::uint8_t* codes, std::int64_t depth, std::uint16_t* pairs) {
  pair_codes<EmulatedAvx512Bf16, EmulatedCodes<Int4Code>>(codes, depth, pairs);
}
void pair_int8_emulated(const std::uint8_t* codes, std::int64_t depth, std::uint16_t* pairs) {
  pair_codes<EmulatedAvx512Bf16, EmulatedCodes<Int8Code>>(codes, depth, pairs);
}
void multiply_int4_emulated(const bfloat::CodedBlock& block) {
  multiply_few_rows<EmulatedAvx512Bf16, EmulatedCodes<Int4Code>>(block);
}
void multiply_int8_emulated(const bfloat::CodedBlock& block) {
  multiply_few_rows<EmulatedAvx512Bf16, EmulatedCodes<Int8Code>>(block);
}

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
constexpr auto kMultiplyScaledAvx512 = TESSERA_BUILDS(multiply_scaled_emulated_avx512);
constexpr auto kMultiplyScaledAmx = TESSERA_BUILDS(multiply_scaled_emulated_amx);
constexpr auto kPairInt4 = TESSERA_BUILDS(pair_int4_emulated);
constexpr auto kPairInt8 = TESSERA_BUILDS(pair_int8_emulated);
constexpr auto kMultiplyInt4 = TESSERA_BUILDS(multiply_int4_emulated);
constexpr auto kMultiplyInt8 = TESSERA_BUILDS(multiply_int8_emulated);

}  // namespace

Kernels emulated_kernels(const Context& context, BfloatUnit unit) noexcept {
  const bool tiles = unit == BfloatUnit::emulated_amx;
  const auto few = [&](const auto& builds) { return tiles ? nullptr : build_for(context, builds); };
  return {build_for(context, kRoundRow),
          build_for(context, tiles ? kMultiplyAmx : kMultiplyAvx512),
          build_for(context, tiles ? kMultiplyScaledAmx : kMultiplyScaledAvx512),
          build_for(context, kPairInt4),
          build_for(context, kPairInt8),
          few(kMultiplyInt4),
          few(kMultiplyInt8)};
}

Kernels kernels_of(const Context& context, BfloatUnit unit) {
  return is_emulated(unit) ? emulated_kernels(context, unit) : native_kernels(unit);
}

}  // namespace tessera::bfloat
#endif
