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

// Sums that fit the registers beside the panels and a broadcast: 8 x 48 of 32 AVX-512 registers, 6 x 16 of 16 AVX2.
// Eight row pointers also fit the integer registers, which twelve (12 x 32) do not. A single row is bound by memory:
// more panels in flight hide its latency.
#if !defined(TESSERA_SANITIZED)
inline constexpr int kBlockRows = kParts == 1 ? 8 : 6;
inline constexpr int kBlockPanels = kParts == 1 ? 3 : 1;
inline constexpr int kStreamPanels = 4;
#else
// Compilers take minutes to instrument blocks of that size; the cut changes no bit.
inline constexpr int kBlockRows = 3;
inline constexpr int kBlockPanels = 1;
inline constexpr int kStreamPanels = 2;
#endif
/// Panels that narrow weights are widened for at once: one more than a block's, so that no single one is left over.
inline constexpr std::int64_t kWidePanels = kBlockPanels + 1;
/// The panels stream from the second-level cache, so many steps ahead of their use: processors fetch no such streams by
/// themselves.
inline constexpr std::int64_t kPrefetchSteps = 8;

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

/// What one slice takes of every row: runs of contiguous floats.
struct SliceRuns {
  struct Run {
    std::int64_t offset;  ///< from the row's first float
    std::int64_t depth;
  };
  static constexpr std::int64_t kLeastRun = 16;
  static constexpr int kMost = static_cast<int>(kSlice / kLeastRun) + 2;
  int count = 0;
  Run runs[kMost];

  [[nodiscard]] std::int64_t depth() const {
    std::int64_t sum = 0;
    for (int i = 0; i < count; ++i) sum += runs[i].depth;
    return sum;
  }
};

/// Rows `row_step` floats apart times panels `panel_step` elements apart: one chain of fused multiply-adds each.
template <int kRows, int kPanels, class T, class Sink>
static HWY_INLINE void multiply_block(const float* rows, std::int64_t row_step, const SliceRuns& slice, const T* panels,
                                      std::int64_t panel_step, const Sink& sink) {
  Floats chain[kRows][kPanels];
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) chain[r][p] = Lanes::set(0.0F);
  }
  for (int i = 0; i < slice.count; ++i) {
    const float* x = rows + slice.runs[i].offset;
    for (const float* end = x + slice.runs[i].depth; x != end; ++x, panels += 16) {
      Floats w[kPanels];
      for (int p = 0; p < kPanels; ++p) {
        w[p] = load_panel(panels + p * panel_step);
        if constexpr (kRows > 2) __builtin_prefetch(panels + p * panel_step + kPrefetchSteps * 16);
      }
      for (int r = 0; r < kRows; ++r) {
        const Floats value = Lanes::set(x[r * row_step]);
        for (int p = 0; p < kPanels; ++p) chain[r][p] = Lanes::fma(value, w[p], chain[r][p]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) sink.take(r, p, chain[r][p]);
  }
}

/// A block of rows times all panels: the rows stay in the first-level cache, the panels stream from the second. Four
/// left are two and two, not three and one.
template <int kRows, int kPanels, class T, class Sink>
static void multiply_panels(const float* rows, std::int64_t row_step, const SliceRuns& slice, const T* panels,
                            std::int64_t panel_step, std::int64_t panel_count, const Sink& sink) {
  std::int64_t p = 0;
  const auto block = [&]<int kCount>() HWY_ATTR {
    multiply_block<kRows, kCount>(rows, row_step, slice, panels + p * panel_step, panel_step, sink.at(0, p));
    p += kCount;
  };
  while (panel_count - p >= kPanels && (kPanels != 3 || panel_count - p != 4)) block.template operator()<kPanels>();
  if constexpr (kPanels > 2) {
    while (panel_count - p >= 2) block.template operator()<2>();
  }
  while (p < panel_count) block.template operator()<1>();
}

/// Row blocks from the largest down to one row: each sum is its own chain, so the cut changes no bit.
template <int kPanels, class T, class Sink>
static void multiply_rows(const float* rows, std::int64_t row_step, std::int64_t count, const SliceRuns& slice,
                          const T* panels, std::int64_t panel_step, std::int64_t panel_count, const Sink& sink) {
  std::int64_t r = 0;
  const auto blocks = [&]<int kRows>() HWY_ATTR {
    for (; r + kRows <= count; r += kRows) {
      multiply_panels<kRows, kPanels>(rows + r * row_step, row_step, slice, panels, panel_step, panel_count,
                                      sink.at(r, 0));
    }
  };
  if constexpr (kPanels <= kBlockPanels) {
    blocks.template operator()<kBlockRows>();
    if constexpr (kBlockRows > 4) blocks.template operator()<4>();
  }
  blocks.template operator()<2>();
  blocks.template operator()<1>();
}

/// Few rows read the weights once, as stored; for many, narrow weights are widened once a panel group.
inline constexpr std::int64_t kFewRows = 3;

template <class T, class Sink>
static void multiply_slice(const float* rows, std::int64_t row_step, std::int64_t count, const SliceRuns& slice,
                           const T* panels, std::int64_t panel_step, std::int64_t panel_count, const Sink& sink) {
  if (count < kFewRows) {
    return multiply_rows<kStreamPanels>(rows, row_step, count, slice, panels, panel_step, panel_count, sink);
  }
  if constexpr (std::is_same_v<T, float>) {
    multiply_rows<kBlockPanels>(rows, row_step, count, slice, panels, panel_step, panel_count, sink);
  } else {
    const std::int64_t depth = slice.depth();
    HWY_ALIGN float wide[kWidePanels * kSlice * 16];
    for (std::int64_t p = 0, group = 0; p < panel_count; p += group) {
      group = panel_count - p <= kWidePanels ? panel_count - p : kBlockPanels;
      for (std::int64_t g = 0; g < group; ++g) {
        const T* from = panels + (p + g) * panel_step;
        for (std::int64_t k = 0; k < depth; ++k) store(load_panel(from + k * 16), wide + (g * kSlice + k) * 16);
      }
      multiply_rows<kBlockPanels>(rows, row_step, count, slice, wide, kSlice * 16, group, sink.at(0, p));
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

/// Rows of one slice: in place, or staged side by side when they are many short runs, or when rows a power of two apart
/// would all fall into the same cache sets.
class SliceRows {
 public:
  HWY_INLINE SliceRows(const Rows& x, const ProductTile& tile, std::int64_t k, std::int64_t depth, float* staged) {
    const bool aliased = x.step % 512 == 0 && tile.rows > 8;
    const bool short_runs = x.runs > 1 && x.run_length < SliceRuns::kLeastRun;
    aliased || short_runs ? stage(x, tile, k, depth, staged) : find_runs(x, tile, k, depth);
  }
  [[nodiscard]] const float* data() const { return data_; }
  [[nodiscard]] std::int64_t step() const { return step_; }
  [[nodiscard]] const SliceRuns& runs() const { return runs_; }

 private:
  void stage(const Rows& x, const ProductTile& tile, std::int64_t k, std::int64_t depth, float* staged) {
    for (std::int64_t r = 0; r < tile.rows; ++r) stage_row(x, tile.first_row + r, k, depth, staged + r * kSlice);
    data_ = staged;
    step_ = kSlice;
    runs_.runs[runs_.count++] = {0, depth};
  }

  void find_runs(const Rows& x, const ProductTile& tile, std::int64_t k, std::int64_t depth) {
    data_ = x.data + tile.first_row * x.step;
    step_ = x.step;
    while (depth > 0) {
      const std::int64_t run = k / x.run_length;
      const std::int64_t offset = k - run * x.run_length;
      const std::int64_t n = std::min(depth, x.run_length - offset);
      runs_.runs[runs_.count++] = {run * x.run_step + offset, n};
      k += n, depth -= n;
    }
  }

  const float* data_ = nullptr;
  std::int64_t step_ = 0;
  SliceRuns runs_;
};

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
