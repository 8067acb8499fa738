// The inner loops of the product: a block of rows times a pair of panels over one slice, in registers.

#if defined(TESSERA_KERNELS_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_PRODUCT_INL_H_
#undef TESSERA_KERNELS_PRODUCT_INL_H_
#else
#define TESSERA_KERNELS_PRODUCT_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "kernels/lanes-inl.h"
#include "kernels/product_plan.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

// Sums that fit the registers beside two panels and a broadcast: 12 x 32 of 32 AVX-512 registers, 6 x 16 of 16 AVX2.
inline constexpr int kBlockRows = kParts == 1 ? 12 : 6;
inline constexpr int kBlockPanels = kParts == 1 ? 2 : 1;
// A single row is bound by memory: more panels in flight hide its latency.
inline constexpr int kStreamPanels = 4;

static HWY_INLINE Floats load_panel(const float* at) { return load(at); }

static HWY_INLINE Floats load_panel(const hwy::bfloat16_t* at) {
  Floats r;
  const hn::Rebind<std::uint16_t, FloatTag> narrow;
  const hn::RebindToUnsigned<FloatTag> wide;
  TESSERA_EACH_PART {
    const auto bits = hn::LoadU(narrow, reinterpret_cast<const std::uint16_t*>(at) + p * kPart);
    r.part[p] = hn::BitCast(FloatTag(), hn::ShiftLeft<16>(hn::PromoteTo(wide, bits)));
  }
  return r;
}

static HWY_INLINE Floats load_panel(const hwy::float16_t* at) {
  Floats r;
  const hn::Rebind<hwy::float16_t, FloatTag> narrow;
  TESSERA_EACH_PART r.part[p] = hn::PromoteTo(FloatTag(), hn::LoadU(narrow, at + p * kPart));
  return r;
}

/// sums[r][16 p…] = (first ? 0 : sums[r][16 p…]) + chain over `depth` inputs of rows x panels.
/// Rows lie kSlice floats apart, panels `panel_step` elements.
template <int kRows, int kPanels, class T>
static HWY_INLINE void multiply_block(const float* rows, std::int64_t depth, const T* panels, std::int64_t panel_step,
                                      bool first, float* sums, std::int64_t sums_step) {
  Floats chain[kRows][kPanels];
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) chain[r][p] = Lanes::set(0.0F);
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    Floats w[kPanels];
    for (int p = 0; p < kPanels; ++p) w[p] = load_panel(panels + p * panel_step + k * 16);
    for (int r = 0; r < kRows; ++r) {
      const Floats x = Lanes::set(rows[r * kSlice + k]);
      for (int p = 0; p < kPanels; ++p) chain[r][p] = Lanes::fma(x, w[p], chain[r][p]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) {
      float* at = sums + r * sums_step + p * 16;
      store(first ? chain[r][p] : Lanes::add(load(at), chain[r][p]), at);
    }
  }
}

template <int kRows, int kPanels, class T>
static void multiply_panels(const float* rows, std::int64_t depth, const T* panels, std::int64_t panel_step,
                            std::int64_t count, bool first, float* sums, std::int64_t sums_step) {
  std::int64_t p = 0;
  for (; p + kPanels <= count; p += kPanels) {
    multiply_block<kRows, kPanels>(rows, depth, panels + p * panel_step, panel_step, first, sums + p * 16, sums_step);
  }
  for (; p < count; ++p) {
    multiply_block<kRows, 1>(rows, depth, panels + p * panel_step, panel_step, first, sums + p * 16, sums_step);
  }
}

/// Row-block sizes from the largest down to one: each sum is its own chain, so the cut changes no bit.
template <class T>
static void multiply_rows(const float* rows, std::int64_t count, std::int64_t depth, const T* panels,
                          std::int64_t panel_step, std::int64_t panel_count, bool first, float* sums,
                          std::int64_t sums_step) {
  const auto block = [&]<int kRows, int kPanels>() HWY_ATTR {
    for (; count >= kRows; count -= kRows, rows += kRows * kSlice, sums += kRows * sums_step) {
      multiply_panels<kRows, kPanels>(rows, depth, panels, panel_step, panel_count, first, sums, sums_step);
    }
  };
  block.template operator()<kBlockRows, kBlockPanels>();
  if constexpr (kBlockRows == 12) block.template operator()<6, kBlockPanels>();
  block.template operator()<3, kBlockPanels>();
  block.template operator()<2, kBlockPanels>();
  block.template operator()<1, kStreamPanels>();
}

/// Copies inputs [k, k + depth) of one row out of its runs.
static HWY_INLINE void stage_row(const Rows& x, std::int64_t row, std::int64_t k, std::int64_t depth, float* out) {
  const float* data = x.data + row * x.step;
  while (depth > 0) {
    const std::int64_t run = k / x.run_length;
    const std::int64_t offset = k - run * x.run_length;
    const std::int64_t n = std::min(depth, x.run_length - offset);
    std::memcpy(out, data + run * x.run_step + offset, static_cast<std::size_t>(n) * sizeof(float));
    out += n, k += n, depth -= n;
  }
}

/// Adds one slice of the inputs to the sums of a tile. Rows are staged side by side first: strided rows of a power of
/// two would all fall into the same cache sets.
template <class T>
static void multiply_slice(const Rows& x, const ProductTile& tile, std::int64_t k, std::int64_t depth, const T* panels,
                           std::int64_t panel_step, float* sums, std::int64_t sums_step) {
  HWY_ALIGN float staged[kBlockRows * kSlice];
  for (std::int64_t r = 0; r < tile.rows; r += kBlockRows) {
    const std::int64_t count = std::min<std::int64_t>(kBlockRows, tile.rows - r);
    for (std::int64_t i = 0; i < count; ++i) stage_row(x, tile.first_row + r + i, k, depth, staged + i * kSlice);
    multiply_rows(staged, count, depth, panels, panel_step, tile.panels, k == 0, sums + r * sums_step, sums_step);
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
