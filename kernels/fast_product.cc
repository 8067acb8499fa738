#include "kernels/fast_product.h"

#include <algorithm>

#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/quantised.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/fast_product.cc"
#include <hwy/foreach_target.h>

#include "kernels/product_edges-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

/// Rounds inputs [k, k + depth) of a row, and zeros up to a whole step: where they lie; a step that is not in one run
/// is copied first. Step s goes to out + s * kBlockRows * kStep.
static void round_inputs(const Rows& x, std::int64_t row, std::int64_t k, std::int64_t depth,
                         const bfloat::Kernels& unit, std::uint16_t* out) {
  HWY_ALIGN float staged[bfloat::kStep];
  for (const std::int64_t end = k + depth; k < end;) {
    const std::int64_t run = k / x.run_length;
    const std::int64_t offset = k - run * x.run_length;
    std::int64_t steps = std::min(end - k, x.run_length - offset) / bfloat::kStep;
    if (steps > 0) {
      unit.round_row(x.data + row * x.step + run * x.run_step + offset, steps, out);
    } else {
      const std::int64_t left = std::min(end - k, bfloat::kStep);
      stage_row(x, row, k, left, staged);
      std::fill(staged + left, staged + bfloat::kStep, 0.0F);
      unit.round_row(staged, steps = 1, out);
    }
    k += steps * bfloat::kStep;
    out += steps * bfloat::kBlockRows * bfloat::kStep;
  }
}

/// Block after block of rows: rounded, then multiplied with every panel of the tile.
void fast_tile(const ProductJob& job, const ProductTile& tile, const bfloat::Kernels& unit) {
  HWY_ALIGN std::uint16_t rows[bfloat::kBlockRows * bfloat::kSlice];
  HWY_ALIGN float sums[kFastTileRows * kFastTilePanels * 16];
  const PackedWeights& weights = *job.weights;
  const bfloat::PanelLayout layout{weights.inputs, weights.panel_count()};
  const auto* panels = reinterpret_cast<const std::uint16_t*>(weights.panels.bytes());
  const std::int64_t columns = tile.panels * 16;
  for (std::int64_t k = 0; k < weights.inputs; k += bfloat::kSlice) {
    const std::int64_t depth = std::min(weights.inputs - k, bfloat::kSlice);
    const std::int64_t steps = layout.depth(k) / bfloat::kStep;
    for (std::int64_t r = 0; r < tile.rows; r += bfloat::kBlockRows) {
      const std::int64_t count = std::min(tile.rows - r, bfloat::kBlockRows);
      for (std::int64_t i = 0; i < count; ++i) {
        round_inputs(job.x, tile.first_row + r + i, k, depth, unit, rows + i * bfloat::kStep);
      }
      unit.multiply({rows, count, steps, panels + layout.offset(k, tile.first_panel), layout.depth(k) * 16, tile.panels,
                     sums + r * columns, columns, k == 0});
      if (k + depth == weights.inputs) finish_rows(job, tile, r, count, sums, columns);
    }
  }
}

/// A chunk of panels of codes as a unit reads them.
struct CodedChunk {
  static constexpr std::int64_t kPanels = 4;
  HWY_ALIGN std::uint16_t pairs[kPanels * kSlice * 16];
  HWY_ALIGN float scales[kSlice / bfloat::kStep * kPanels * 16];

  void read(const PackedWeights& weights, std::int64_t k, std::int64_t panel, std::int64_t count,
            const bfloat::Kernels& unit) {
    const std::int64_t depth = weights.slice_depth(k);
    const std::int64_t bytes = quantised::panel_bytes(weights.codes, depth);
    const std::byte* at = weights.panels.bytes() + quantised::panel_offset(weights, k, panel);
    const auto pair = weights.codes == WeightCodes::int4 ? unit.pair_int4 : unit.pair_int8;
    for (std::int64_t i = 0; i < count; ++i, at += bytes) {
      // The next chunk's, while this one is multiplied: processors do not foresee it.
      for (std::int64_t line = 0; line < bytes; line += 64) __builtin_prefetch(at + count * bytes + line, 0, 2);
      const auto* stored = reinterpret_cast<const std::uint16_t*>(at);
      for (std::int64_t step = 0; step < bfloat::padded(depth) / bfloat::kStep; ++step) {
        float* wide = scales + (step * count + i) * 16;
        for (std::int64_t n = 0; n < 16; ++n) wide[n] = float_from_bf16(stored[step * 16 + n]);
      }
      const auto* codes = reinterpret_cast<const std::uint8_t*>(at + quantised::scale_bytes(weights.codes, depth));
      pair(codes, depth, pairs + i * kSlice * 16);
    }
  }
};

/// Few rows of quantised weights.
static void few_coded_rows(const ProductJob& job, const ProductTile& tile, const bfloat::Kernels& unit, float* sums) {
  HWY_ALIGN std::uint16_t rows[bfloat::kBlockRows * kSlice];
  const PackedWeights& weights = *job.weights;
  const auto multiply = weights.codes == WeightCodes::int4 ? unit.multiply_int4 : unit.multiply_int8;
  for (std::int64_t k = 0; k < weights.inputs; k += kSlice) {
    const std::int64_t depth = weights.slice_depth(k);
    for (std::int64_t r = 0; r < tile.rows; ++r) {
      round_inputs(job.x, tile.first_row + r, k, depth, unit, rows + r * bfloat::kStep);
    }
    const std::byte* panels = weights.panels.bytes() + quantised::panel_offset(weights, k, tile.first_panel);
    multiply({rows, tile.rows, depth, reinterpret_cast<const std::uint8_t*>(panels),
              quantised::panel_bytes(weights.codes, depth), quantised::scale_bytes(weights.codes, depth), tile.panels,
              sums, tile.panels * 16, k == 0});
  }
}

/// The same of quantised weights: a chunk of panels is unpacked once for all rows of the tile.
void fast_coded_tile(const ProductJob& job, const ProductTile& tile, const bfloat::Kernels& unit) {
  HWY_ALIGN std::uint16_t rows[kFastTileRows * kSlice];
  HWY_ALIGN float sums[kFastTileRows * kFastTilePanels * 16];
  CodedChunk chunk;
  const PackedWeights& weights = *job.weights;
  const std::int64_t columns = tile.panels * 16;
  if (tile.rows <= (bfloat::kFewRows) && unit.multiply_int4 != nullptr) {
    few_coded_rows(job, tile, unit, sums);
    return finish_rows(job, tile, 0, tile.rows, sums, columns);
  }
  for (std::int64_t k = 0; k < weights.inputs; k += kSlice) {
    const std::int64_t depth = weights.slice_depth(k);
    const std::int64_t steps = bfloat::padded(depth) / bfloat::kStep;
    for (std::int64_t r = 0; r < tile.rows; ++r) {
      std::uint16_t* block = rows + r / bfloat::kBlockRows * bfloat::kBlockRows * kSlice;
      round_inputs(job.x, tile.first_row + r, k, depth, unit, block + r % bfloat::kBlockRows * bfloat::kStep);
    }
    for (std::int64_t p = 0; p < tile.panels; p += CodedChunk::kPanels) {
      const std::int64_t panels = std::min(CodedChunk::kPanels, tile.panels - p);
      chunk.read(weights, k, tile.first_panel + p, panels, unit);
      for (std::int64_t r = 0; r < tile.rows; r += bfloat::kBlockRows) {
        unit.multiply_scaled({rows + r * kSlice, std::min(tile.rows - r, bfloat::kBlockRows), steps, chunk.pairs,
                              kSlice * 16, panels, sums + r * columns + p * 16, columns, k == 0, chunk.scales});
      }
    }
  }
  finish_rows(job, tile, 0, tile.rows, sums, columns);
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {

constexpr auto kFastTile = TESSERA_BUILDS(fast_tile);
constexpr auto kFastCodedTile = TESSERA_BUILDS(fast_coded_tile);

// The pairs of one slice of a panel; what lies behind the last input or output stays zero.
void fill_pairs(const WeightSource& weight, std::int64_t first, std::int64_t k, std::int64_t depth,
                std::uint16_t* panel) {
  const std::int64_t rows = std::min<std::int64_t>(16, weight.rows() - first);
  float staged[bfloat::kSlice];
  for (std::int64_t n = 0; n < rows; ++n) {
    const float* row = weight.read(first + n, k, depth, staged);
    for (std::int64_t i = 0; i < depth; ++i) panel[(i / 2 * 16 + n) * 2 + i % 2] = bfloat::round(row[i]);
  }
}

}  // namespace

PackedWeights pack_fast_weights(Context& context, const WeightSource& weight) {
  PackedWeights packed;
  packed.inputs = weight.columns();
  packed.outputs = weight.rows();
  packed.fast = true;
  const bfloat::PanelLayout layout{packed.inputs, packed.panel_count()};
  packed.panels = context.allocate({layout.size()}, DType::bf16);
  auto* panels = reinterpret_cast<std::uint16_t*>(packed.panels.bytes());
  context.parallel_for(layout.panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel) {
      for (std::int64_t k = 0; k < layout.inputs; k += bfloat::kSlice) {
        const std::int64_t depth = std::min(layout.inputs - k, bfloat::kSlice);
        fill_pairs(weight, panel * 16, k, depth, panels + layout.offset(k, panel));
      }
    }
  });
  return packed;
}

FastTile fast_tile_for(const Context& context, const PackedWeights& weights) {
  if (!context.bfloat_unit()) {
    throw ArgumentError("product: the weights were packed for fast math, which this context has not");
  }
  const bool coded = weights.codes != WeightCodes::none;
  return {build_for(context, coded ? kFastCodedTile : kFastTile), bfloat::kernels_of(context, *context.bfloat_unit())};
}

}  // namespace tessera
#endif
