#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "kernels/arithmetic.h"
#include "kernels/product.h"

namespace tessera {

struct ProductJob {
  Rows x;
  const PackedWeights* weights;
  Epilogue epilogue;
  Matrix out;
  // The panels that are computed.
  std::int64_t first_panel = 0;
  std::int64_t end_panel = weights->panel_count();
};

/// How a job is cut: tiles of at most `rows` x `panels`, in units of whole blocks of `row_unit` rows.
struct TileSizes {
  std::int64_t rows;
  std::int64_t row_unit;
  std::int64_t panels;
};

/// Tiles that one thread computes, a slice of their inputs after another. Their sums, a slice of their rows and a chunk
/// of their weights (256 x 192), which all rows read in turn, stay in the second-level cache. Rows that many panels
/// read are staged first; those that overlap, a convolution's, share their lines of the cache as they are.
inline constexpr TileSizes kStagedTiles{96, 12, 32};
inline constexpr TileSizes kTilesInPlace{192, 24, 12};
/// Few rows are bound by the memory, which long stretches of panels suit.
inline constexpr TileSizes kFewRowTiles{12, 12, 256};
inline constexpr std::int64_t kTileSums =
    16 * std::max({kStagedTiles.rows * kStagedTiles.panels, kTilesInPlace.rows* kTilesInPlace.panels,
                   kFewRowTiles.rows* kFewRowTiles.panels});
inline constexpr std::int64_t kChunkPanels = 12;
/// Staging pays when so many panels read the rows.
inline constexpr std::int64_t kLeastStagedPanels = 16;

inline TileSizes tile_sizes(const ProductJob& job) {
  const bool overlap = job.x.step < job.x.inputs();
  const bool narrow = job.end_panel - job.first_panel < kLeastStagedPanels;
  return overlap || narrow ? kTilesInPlace : kStagedTiles;
}

/// Of a job that is alone.
inline TileSizes tile_sizes_alone(const ProductJob& job) {
  return job.out.rows <= kFewRowTiles.rows ? kFewRowTiles : tile_sizes(job);
}

struct ProductTile {
  std::int64_t first_row;
  std::int64_t rows;
  std::int64_t first_panel;
  std::int64_t panels;
};

/// Cuts a job into tiles of about equal size, as large as the caches like, in equal shares for the threads.
class ProductPlan {
 public:
  ProductPlan(const ProductJob& job, int threads, const TileSizes& sizes)
      : sizes_(sizes),
        rows_(job.out.rows),
        first_panel_(job.first_panel),
        panels_(job.end_panel - job.first_panel),
        row_tiles_(divide_up(rows_, sizes.rows)),
        panel_tiles_(divide_up(panels_, sizes.panels)) {
    const double work = static_cast<double>(rows_) * static_cast<double>(panels_) * static_cast<double>(job.x.inputs());
    parallel_ = threads > 1 && work > kLeastParallelWork;
    if (parallel_) share(threads);
  }

  [[nodiscard]] std::int64_t tiles() const noexcept { return row_tiles_ * panel_tiles_; }
  /// A job too small to share is one range.
  [[nodiscard]] std::int64_t grain() const noexcept { return parallel_ ? 1 : tiles(); }
  /// Neighbours share rows, so that they are still in cache.
  [[nodiscard]] ProductTile tile(std::int64_t i) const noexcept {
    const std::int64_t r = i / panel_tiles_;
    const std::int64_t p = i % panel_tiles_;
    const std::int64_t row = cut(r, row_tiles_, rows_, sizes_.row_unit);
    const std::int64_t panel = cut(p, panel_tiles_, panels_, kPanelUnit);
    return {row, cut(r + 1, row_tiles_, rows_, sizes_.row_unit) - row, first_panel_ + panel,
            cut(p + 1, panel_tiles_, panels_, kPanelUnit) - panel};
  }

 private:
  // 16-wide multiply-adds worth waking another thread for: about 10 microseconds.
  static constexpr double kLeastParallelWork = 50000;
  // A tile's rows are divided no further than its caches' worth by so many.
  static constexpr std::int64_t kPanelUnit = 4;

  static constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
  /// Where part `i` of `parts` begins: `size` in units as equal as can be.
  static constexpr std::int64_t cut(std::int64_t i, std::int64_t parts, std::int64_t size, std::int64_t unit) {
    return std::min(size, i * divide_up(size, unit) / parts * unit);
  }

  /// As many tiles as give each thread as many, with four or more each it hardly matters: more cuts of the rows, else
  /// of the panels, else the most there can be.
  void share(int threads) {
    if (tiles() >= 4 * threads) return;
    const auto whole = [&](std::int64_t parts, std::int64_t others) {
      const std::int64_t step = threads / std::gcd<std::int64_t>(others, threads);
      return divide_up(parts, step) * step;
    };
    const std::int64_t most_rows = divide_up(rows_, sizes_.row_unit);
    const std::int64_t most_panels = divide_up(panels_, kPanelUnit);
    if (const std::int64_t parts = whole(row_tiles_, panel_tiles_); parts <= most_rows) {
      row_tiles_ = parts;
    } else {
      panel_tiles_ = std::min(most_panels, whole(panel_tiles_, row_tiles_));
    }
  }

  TileSizes sizes_;
  std::int64_t rows_;
  std::int64_t first_panel_;
  std::int64_t panels_;
  std::int64_t row_tiles_;
  std::int64_t panel_tiles_;
  bool parallel_ = false;
};

}  // namespace tessera
