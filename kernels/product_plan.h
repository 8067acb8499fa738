#pragma once

#include <algorithm>
#include <cstdint>

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

/// A tile of the output that one thread computes: its sums (192 x 192 floats) and one slice of its weights
/// (256 x 192) stay in the second-level cache; weights from memory serve as many rows as that allows.
inline constexpr std::int64_t kTileRows = 192;
inline constexpr std::int64_t kTilePanels = 12;

struct ProductTile {
  std::int64_t first_row;
  std::int64_t rows;
  std::int64_t first_panel;
  std::int64_t panels;
};

/// Cuts a job into tiles: as large as the cache likes, smaller when there would be fewer than threads.
class ProductPlan {
 public:
  ProductPlan(const ProductJob& job, int threads, std::int64_t tile_rows = kTileRows,
              std::int64_t tile_panels = kTilePanels)
      : rows_(job.out.rows),
        first_panel_(job.first_panel),
        panels_(job.end_panel - job.first_panel),
        tile_rows_(tile_rows),
        tile_panels_(tile_panels) {
    const double work = static_cast<double>(rows_) * static_cast<double>(panels_) * static_cast<double>(job.x.inputs());
    parallel_ = threads > 1 && work > kLeastParallelWork;
    if (parallel_) shrink(threads);
  }

  [[nodiscard]] std::int64_t tiles() const noexcept { return row_tiles() * panel_tiles(); }
  /// A job too small to share is one range.
  [[nodiscard]] std::int64_t grain() const noexcept { return parallel_ ? 1 : tiles(); }
  /// Neighbours share rows, so that staged rows are still in cache.
  [[nodiscard]] ProductTile tile(std::int64_t i) const noexcept {
    const std::int64_t row = i / panel_tiles() * tile_rows_;
    const std::int64_t panel = i % panel_tiles() * tile_panels_;
    return {row, std::min(tile_rows_, rows_ - row), first_panel_ + panel, std::min(tile_panels_, panels_ - panel)};
  }

 private:
  // 16-wide multiply-adds worth waking another thread for: about 10 microseconds.
  static constexpr double kLeastParallelWork = 50000;

  [[nodiscard]] std::int64_t row_tiles() const noexcept { return (rows_ + tile_rows_ - 1) / tile_rows_; }
  [[nodiscard]] std::int64_t panel_tiles() const noexcept { return (panels_ + tile_panels_ - 1) / tile_panels_; }

  void shrink(int threads) {
    while (tile_panels_ > 2 && tiles() % threads != 0 && tiles() < 4 * threads) tile_panels_ /= 2;
    while (tile_rows_ > 24 && tiles() < 2 * threads) tile_rows_ /= 2;
  }

  std::int64_t rows_;
  std::int64_t first_panel_;
  std::int64_t panels_;
  std::int64_t tile_rows_;
  std::int64_t tile_panels_;
  bool parallel_ = false;
};

}  // namespace tessera
