// The product of a tile of rows and panels over one slice: block after block.

#if defined(TESSERA_KERNELS_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_PRODUCT_INL_H_
#undef TESSERA_KERNELS_PRODUCT_INL_H_
#else
#define TESSERA_KERNELS_PRODUCT_INL_H_
#endif

#include <algorithm>
#include <type_traits>

#include "kernels/quantised-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

/// A block of rows times all panels: the rows stay in the first-level cache, the panels stream from the second. Four
/// left are two and two, not three and one.
template <int kRows, int kPanels, class AnyRows, class T>
static void multiply_panels(AnyRows rows, const SliceRuns& slice, const T* panels, std::int64_t panel_step,
                            std::int64_t panel_count, const Sink& sink, Ahead& ahead) {
  std::int64_t p = 0;
  const T* after = reinterpret_cast<const T*>(ahead.panels_behind());
  const auto block = [&]<int kCount>() HWY_ATTR {
    const T* at = panels + p * panel_step;
    const T* behind = p + kCount < panel_count ? at + kCount * panel_step : after;
    multiply_block<kRows, kCount>(rows, slice, at, panel_step, behind, sink.at(0, p), ahead);
    p += kCount;
  };
  while (panel_count - p >= kPanels && (kPanels != 3 || panel_count - p != 4)) block.template operator()<kPanels>();
  if constexpr (kPanels > 2) {
    while (panel_count - p >= 2) block.template operator()<2>();
  }
  while (p < panel_count) block.template operator()<1>();
}

/// One slice of a tile's rows, block after block: in place, or staged side by side when they are many short runs, or
/// several and the block takes `whole` ones only. `blocks`, if any, is room for all of the tile's as StagedRows.
class SliceRows {
 public:
  SliceRows(const Rows& x, std::int64_t first, std::int64_t k, std::int64_t depth, bool whole, float* staged,
            float* blocks)
      : x_(x), first_(first), k_(k), depth_(depth), staged_(staged), blocks_(blocks) {
    stages_ = x.runs > 1 && (whole || x.run_length < SliceRuns::kLeastRun);
    stages_ ? runs_.add({0, depth}) : find_runs();
  }
  [[nodiscard]] const SliceRuns& runs() const { return runs_; }
  [[nodiscard]] std::int64_t step() const { return stages_ ? kSlice : x_.step; }
  /// Row `r` of the tile and the `count` - 1 behind it.
  [[nodiscard]] const float* at(std::int64_t r, int count) const {
    if (!stages_) return x_.data + (first_ + r) * x_.step;
    for (int i = 0; i < count; ++i) stage_row(x_, first_ + r + i, k_, depth_, staged_ + i * kSlice);
    return staged_;
  }
  [[nodiscard]] bool has_blocks() const { return blocks_ != nullptr; }
  [[nodiscard]] SliceRuns block_runs() const {
    SliceRuns one;
    one.add({0, depth_});
    return one;
  }
  /// Rows r … r + kStagedRows - 1, a multiple of as many; staged when they are asked for the first time, in order.
  StagedRows block(std::int64_t r, std::int64_t count, Ahead& ahead) {
    float* block = blocks_ + r / kStagedRows * StagedRows::kSize;
    if (r == staged_rows_) {
      for (int i = 0; i < kStagedRows; ++i) stage(r + i, block + i * 16);
      staged_rows_ += kStagedRows;
      ahead.rows(this->ahead(staged_rows_, std::min<std::int64_t>(count - staged_rows_, kStagedRows)));
    }
    return {block};
  }
  /// What later blocks read of their rows first.
  [[nodiscard]] Ahead::Stretches ahead(std::int64_t r, std::int64_t count) const {
    if (depth_ == 0) return {};
    const float* from = x_.data + (first_ + r) * x_.step + k_ / x_.run_length * x_.run_step + k_ % x_.run_length;
    const auto bytes = static_cast<std::int64_t>(sizeof(float));
    return {reinterpret_cast<const char*>(from), x_.step * bytes, depth_ * bytes, count};
  }

 private:
  /// A row of a block, sixteen inputs at a time: most lie in one run.
  void stage(std::int64_t r, float* out) const {
    if (depth_ == 0) return;
    const float* data = x_.data + (first_ + r) * x_.step + k_ / x_.run_length * x_.run_step;
    std::int64_t offset = k_ % x_.run_length;
    for (std::int64_t k = 0; k < depth_; k += 16, out += StagedRows::kPiece) {
      const std::int64_t n = std::min<std::int64_t>(16, depth_ - k);
      if (offset + n <= x_.run_length) {
        store(load_first(data + offset, n), out);
      } else {
        stage_row(x_, first_ + r, k_ + k, n, out);
      }
      for (offset += n; offset >= x_.run_length; offset -= x_.run_length) data += x_.run_step;
    }
  }

  void find_runs() {
    std::int64_t k = k_;
    for (std::int64_t left = depth_; left > 0;) {
      const std::int64_t run = k / x_.run_length;
      const std::int64_t offset = k - run * x_.run_length;
      const std::int64_t n = std::min(left, x_.run_length - offset);
      runs_.add({run * x_.run_step + offset, n});
      k += n, left -= n;
    }
  }

  const Rows& x_;
  std::int64_t first_;
  std::int64_t k_;
  std::int64_t depth_;
  float* staged_;
  float* blocks_;
  std::int64_t staged_rows_ = 0;
  bool stages_;
  SliceRuns runs_;
};

/// Row blocks from row `r` on, from the largest down to one row: each sum is its own chain, so the cut changes no bit.
/// `done(r, n)` hears of each block while its sums are in the first-level cache.
template <int kPanels, class T, class Done>
static void multiply_rows(const SliceRows& rows, std::int64_t r, std::int64_t count, const T* panels,
                          std::int64_t panel_step, std::int64_t panel_count, const Sink& sink, Ahead& ahead,
                          const Done& done) {
  const auto blocks = [&]<int kRows>() HWY_ATTR {
    for (; r + kRows <= count; r += kRows) {
      const float* x = rows.at(r, kRows);
      ahead.rows(rows.ahead(r + kRows, std::min<std::int64_t>(count - r - kRows, kRows)));
      multiply_panels<kRows, kPanels>(RowsInPlace{x, rows.step()}, rows.runs(), panels, panel_step, panel_count,
                                      sink.at(r, 0), ahead);
      done(r, kRows);
    }
  };
  if constexpr (kPanels <= kBlockPanels) {
    blocks.template operator()<kBlockRows>();
    if constexpr (kBlockRows > 4) blocks.template operator()<4>();
  }
  blocks.template operator()<2>();
  blocks.template operator()<1>();
}

/// Few rows read the weights once, as stored, all rows at once; for many, narrow weights are widened once a tile.
/// Sanitizers see narrow weights one way only: every way takes a compiler half a minute.
template <class T>
inline constexpr bool kStreams = kBlockRows > 2 || std::is_same_v<T, float>;

/// Panels in flight beside so many rows: what fits the registers, of codes of 4 bits with their scales, and the
/// first-level cache, where a slice of those under way and of the next lie.
template <class T>
constexpr int few_panels(int rows) {
  constexpr bool kBf12 = std::is_same_v<T, Code<WeightCodes::bf12>>;
  constexpr bool kScales = std::is_same_v<T, Code<WeightCodes::int4>>;
  if (rows <= 2 && (kBf12 || sizeof(T) == 2)) return 2;
  if (kBf12) return std::min(2, kBlockPanels);
  if (rows <= 2) return kStreamPanels;
  if (kParts == 1 && rows <= (kScales ? 4 : 6)) return 4;
  return kScales ? std::min(2, kBlockPanels) : kBlockPanels;
}

template <class T, class Done>
static void multiply_few(const SliceRows& rows, std::int64_t count, const T* panels, std::int64_t panel_step,
                         std::int64_t panel_count, const Sink& sink, Ahead& ahead, const Done& done) {
  each<kBlockRows>([&]<int kIndex>() HWY_ATTR {
    constexpr int kRows = kIndex + 1;
    if (count != kRows) return;
    multiply_panels<kRows, few_panels<T>(kRows)>(RowsInPlace{rows.at(0, kRows), rows.step()}, rows.runs(), panels,
                                                 panel_step, panel_count, sink, ahead);
    done(0, kRows);
  });
}

/// Rows in staged blocks as far as there is room for them, the others in place.
template <class T, class Done>
static void multiply_many(SliceRows& rows, std::int64_t count, const T* panels, std::int64_t panel_step,
                          std::int64_t panel_count, const Sink& sink, Ahead& ahead, const Done& done) {
  std::int64_t r = 0;
  if constexpr (kStages && std::is_same_v<T, float>) {
    const SliceRuns runs = rows.block_runs();
    for (; rows.has_blocks() && r + kStagedRows <= count; r += kStagedRows) {
      multiply_panels<kStagedRows, kStagedPanels>(rows.block(r, count, ahead), runs, panels, panel_step, panel_count,
                                                  sink.at(r, 0), ahead);
      done(r, kStagedRows);
    }
  }
  multiply_rows<kBlockPanels>(rows, r, count, panels, panel_step, panel_count, sink, ahead, done);
}

template <class T, class Done>
static void multiply_slice(SliceRows& rows, std::int64_t count, const T* panels, std::int64_t panel_count, float* wide,
                           const Sink& sink, Ahead& ahead, const Done& done) {
  const std::int64_t depth = rows.runs().depth();
  const std::int64_t step = PanelStep<T>::of(depth);
  if constexpr (kStreams<T>) {
    if (count <= kBlockRows) return multiply_few(rows, count, panels, step, panel_count, sink, ahead, done);
  }
  if constexpr (std::is_same_v<T, float>) multiply_many(rows, count, panels, step, panel_count, sink, ahead, done);
  if constexpr (!std::is_same_v<T, float>) {
    for (std::int64_t p = 0; p < panel_count; ++p) widen_panel(panels + p * step, depth, wide + p * kSlice * 16);
    multiply_many(rows, count, wide, kSlice * 16, panel_count, sink, ahead, done);
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
