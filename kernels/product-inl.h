// The inner loops of the product: a block of rows times a pair of panels over one slice, in registers.

#if defined(TESSERA_KERNELS_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_PRODUCT_INL_H_
#undef TESSERA_KERNELS_PRODUCT_INL_H_
#else
#define TESSERA_KERNELS_PRODUCT_INL_H_
#endif

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/lanes-inl.h"
#include "kernels/product_plan.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

// Sums that fit the registers beside two panels and a broadcast: 12 x 32 of 32 AVX-512 registers, 6 x 16 of 16 AVX2.
// A single row is bound by memory: more panels in flight hide its latency.
#if !defined(TESSERA_SANITIZED)
inline constexpr int kBlockRows = kParts == 1 ? 12 : 6;
inline constexpr int kBlockPanels = kParts == 1 ? 2 : 1;
inline constexpr int kStreamPanels = 4;
#else
// Compilers take minutes to instrument blocks of that size; the cut changes no bit.
inline constexpr int kBlockRows = 3;
inline constexpr int kBlockPanels = 1;
inline constexpr int kStreamPanels = 2;
#endif

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

/// Where the sums of a block go: into a buffer, slice after slice.
struct AddToSums {
  float* sums;
  std::int64_t step;
  bool first;

  HWY_INLINE AddToSums at(std::int64_t row, std::int64_t panel) const {
    return {sums + row * step + panel * 16, step, first};
  }
  HWY_INLINE void take(int r, int p, const Floats& chain) const {
    float* to = sums + r * step + p * 16;
    store(first ? chain : Lanes::add(load(to), chain), to);
  }
};

/// … or, when one slice is all there is, through bias, scale and residual straight to the output.
struct FinishSums {
  const float* bias;
  const float* scale;
  const float* residual;
  std::int64_t residual_step;
  float* out;
  std::int64_t out_step;
  std::int64_t columns;  ///< of the output from here on

  HWY_INLINE FinishSums at(std::int64_t row, std::int64_t panel) const {
    const auto move = [](auto* p, std::int64_t by) { return p == nullptr ? nullptr : p + by; };
    const std::int64_t column = panel * 16;
    return {move(bias, column), move(scale, column),           move(residual, row * residual_step + column),
            residual_step,      out + row * out_step + column, out_step,
            columns - column};
  }
  HWY_INLINE void take(int r, int p, Floats y) const {
    const std::int64_t count = std::min<std::int64_t>(16, columns - p * 16);
    const auto part = [&](const float* from) { return count == 16 ? load(from) : load_first(from, count); };
    if (bias != nullptr) y = Lanes::add(y, part(bias + p * 16));
    if (scale != nullptr) y = Lanes::mul(y, part(scale + p * 16));
    if (residual != nullptr) y = Lanes::add(part(residual + r * residual_step + p * 16), y);
    float* to = out + r * out_step + p * 16;
    count == 16 ? store(y, to) : store_first(y, to, count);
  }
};

/// Rows `row_step` floats apart times panels `panel_step` elements apart: one chain of `depth` fused multiply-adds
/// each.
template <int kRows, int kPanels, class T, class Sink>
static HWY_INLINE void multiply_block(const float* rows, std::int64_t row_step, std::int64_t depth, const T* panels,
                                      std::int64_t panel_step, const Sink& sink) {
  Floats chain[kRows][kPanels];
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) chain[r][p] = Lanes::set(0.0F);
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    Floats w[kPanels];
    for (int p = 0; p < kPanels; ++p) w[p] = load_panel(panels + p * panel_step + k * 16);
    for (int r = 0; r < kRows; ++r) {
      const Floats x = Lanes::set(rows[r * row_step + k]);
      for (int p = 0; p < kPanels; ++p) chain[r][p] = Lanes::fma(x, w[p], chain[r][p]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) sink.take(r, p, chain[r][p]);
  }
}

/// A block of rows times all panels: the rows stay in the first-level cache, the panels stream from the second.
template <int kRows, int kPanels, class T, class Sink>
static void multiply_panels(const float* rows, std::int64_t row_step, std::int64_t depth, const T* panels,
                            std::int64_t panel_step, std::int64_t panel_count, const Sink& sink) {
  std::int64_t p = 0;
  for (; p + kPanels <= panel_count; p += kPanels) {
    multiply_block<kRows, kPanels>(rows, row_step, depth, panels + p * panel_step, panel_step, sink.at(0, p));
  }
  for (; p < panel_count; ++p) {
    multiply_block<kRows, 1>(rows, row_step, depth, panels + p * panel_step, panel_step, sink.at(0, p));
  }
}

/// Row blocks from the largest down to one row: each sum is its own chain, so the cut changes no bit.
template <int kPanels, class T, class Sink>
static void multiply_rows(const float* rows, std::int64_t row_step, std::int64_t count, std::int64_t depth,
                          const T* panels, std::int64_t panel_step, std::int64_t panel_count, const Sink& sink) {
  std::int64_t r = 0;
  const auto blocks = [&]<int kRows>() HWY_ATTR {
    for (; r + kRows <= count; r += kRows) {
      multiply_panels<kRows, kPanels>(rows + r * row_step, row_step, depth, panels, panel_step, panel_count,
                                      sink.at(r, 0));
    }
  };
  if constexpr (kPanels <= kBlockPanels) {
    blocks.template operator()<kBlockRows>();
    if constexpr (kBlockRows > 6) blocks.template operator()<6>();
    if constexpr (kBlockRows > 3) blocks.template operator()<3>();
  }
  blocks.template operator()<2>();
  blocks.template operator()<1>();
}

/// Few rows read the weights once, as stored; for many, narrow weights are widened once a panel group.
inline constexpr std::int64_t kFewRows = 3;

template <class T, class Sink>
static void multiply_slice(const float* rows, std::int64_t row_step, std::int64_t count, std::int64_t depth,
                           const T* panels, std::int64_t panel_step, std::int64_t panel_count, const Sink& sink) {
  if (count < kFewRows) {
    return multiply_rows<kStreamPanels>(rows, row_step, count, depth, panels, panel_step, panel_count, sink);
  }
  if constexpr (std::is_same_v<T, float>) {
    multiply_rows<kBlockPanels>(rows, row_step, count, depth, panels, panel_step, panel_count, sink);
  } else {
    HWY_ALIGN float wide[kBlockPanels * kSlice * 16];
    for (std::int64_t p = 0; p < panel_count; p += kBlockPanels) {
      const std::int64_t group = std::min<std::int64_t>(kBlockPanels, panel_count - p);
      for (std::int64_t g = 0; g < group; ++g) {
        const T* from = panels + (p + g) * panel_step;
        for (std::int64_t k = 0; k < depth; ++k) store(load_panel(from + k * 16), wide + (g * kSlice + k) * 16);
      }
      multiply_rows<kBlockPanels>(rows, row_step, count, depth, wide, kSlice * 16, group, sink.at(0, p));
    }
  }
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

/// Rows of one slice, readable with one step: in place, or staged side by side when a row is several runs, or when rows
/// a power of two apart would all fall into the same cache sets.
class SliceRows {
 public:
  HWY_INLINE SliceRows(const Rows& x, const ProductTile& tile, std::int64_t k, std::int64_t depth, float* staged)
      : data_(x.data + tile.first_row * x.step + k), step_(x.step) {
    const bool aliased = x.step % 512 == 0 && tile.rows > 8;
    if (x.runs == 1 && !aliased) return;
    for (std::int64_t r = 0; r < tile.rows; ++r) stage_row(x, tile.first_row + r, k, depth, staged + r * kSlice);
    data_ = staged;
    step_ = kSlice;
  }
  [[nodiscard]] const float* data() const { return data_; }
  [[nodiscard]] std::int64_t step() const { return step_; }

 private:
  const float* data_;
  std::int64_t step_;
};

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
