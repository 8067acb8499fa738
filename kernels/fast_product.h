#pragma once

#include "kernels/bfloat.h"
#include "kernels/product_plan.h"

namespace tessera {

/// A tile's sums (256 kB) and a slice of its panels (512 kB) share the second-level cache. Wide tiles, since each
/// rounds its rows anew.
inline constexpr std::int64_t kFastTileRows = 128;
inline constexpr std::int64_t kFastTilePanels = 32;

// What pack_weights and product (kernels/product.h) do in fast math.

/// Rounds and packs as bfloat::PanelLayout says.
[[nodiscard]] PackedWeights pack_fast_weights(Context& context, const WeightSource& weight);
/// Shapes are checked. Throws ArgumentError when the context's math is exact.
void fast_product(Context& context, const ProductJob& job);

}  // namespace tessera
