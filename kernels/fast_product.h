#pragma once

#include "kernels/bfloat.h"
#include "kernels/product_plan.h"

namespace tessera {

/// A tile's sums (256 kB) and a slice of its panels (512 kB) share the second-level cache. Wide tiles, since each
/// rounds its rows anew.
inline constexpr std::int64_t kFastTileRows = 128;
inline constexpr std::int64_t kFastTilePanels = 32;
inline constexpr TileSizes kFastTiles{kFastTileRows, bfloat::kBlockRows, kFastTilePanels};
/// Few rows of codes are bound by the memory: as many panels as there is room for sums.
inline constexpr TileSizes kFastFewRowTiles{bfloat::kFewRows, bfloat::kFewRows, 256};
inline TileSizes fast_tile_sizes(const ProductJob& job) {
  return job.weights->codes != WeightCodes::none && job.out.rows <= bfloat::kFewRows ? kFastFewRowTiles : kFastTiles;
}

// What pack_weights and product (kernels/product.h) do in fast math.

/// Rounds and packs as bfloat::PanelLayout says.
[[nodiscard]] PackedWeights pack_fast_weights(Context& context, const WeightSource& weight);

/// Computes a tile of kFastTiles.
struct FastTile {
  void (*run)(const ProductJob& job, const ProductTile& tile, const bfloat::Kernels& unit);
  bfloat::Kernels unit;
};
/// For fast weights. Throws ArgumentError when the context's math is exact.
[[nodiscard]] FastTile fast_tile_for(const Context& context, const PackedWeights& weights);

}  // namespace tessera
