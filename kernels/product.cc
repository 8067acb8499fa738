#include "kernels/product.h"

#include <algorithm>
#include <cstring>

#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/narrow.h"
#include "kernels/product_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/product.cc"
#include <hwy/foreach_target.h>

#include "kernels/activation-inl.h"
#include "kernels/product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

// One finished row of sums: bias, activation, scale, residual.
template <class Function>
static HWY_INLINE void finish_row(const float* sums, std::int64_t columns, const Function& function, const float* bias,
                                  const float* scale, const float* residual, float* out) {
  for (std::int64_t i = 0; i < columns; i += 16) {
    const std::int64_t n = std::min<std::int64_t>(columns - i, 16);
    Floats y = load(sums + i);
    if (bias != nullptr) y = Lanes::add(y, load_first(bias + i, n));
    y = function(y);
    if (scale != nullptr) y = Lanes::mul(y, load_first(scale + i, n));
    if (residual != nullptr) y = Lanes::add(load_first(residual + i, n), y);
    n == 16 ? store(y, out + i) : store_first(y, out + i, n);
  }
}

static void finish(const ProductJob& job, const ProductTile& tile, const float* sums, std::int64_t sums_step) {
  const std::int64_t first = tile.first_panel * 16;
  const std::int64_t columns = std::min(job.weights->outputs - first, tile.panels * 16);
  const Epilogue& e = job.epilogue;
  const auto from = [&](const float* p) { return p == nullptr ? nullptr : p + first; };
  with_activation(e.activation, [&](auto function) HWY_ATTR {
    for (std::int64_t r = 0; r < tile.rows; ++r) {
      const std::int64_t row = tile.first_row + r;
      const float* residual = e.residual.data == nullptr ? nullptr : e.residual.row(row) + first;
      finish_row(sums + r * sums_step, columns, function, from(e.bias), from(e.scale), residual,
                 job.out.row(row) + first);
    }
  });
}

// A point function in the middle needs a pass of its own over the tile, which is still in cache; unless it is the only
// thing between the sum and the output, the sums are kept apart until then.
template <class T>
static void one_slice(const ProductJob& job, const ProductTile& tile, const T* panels, float* staged) {
  const Epilogue& e = job.epilogue;
  const std::int64_t column = tile.first_panel * 16;
  const auto from = [&](const float* p) { return p == nullptr ? nullptr : p + column; };
  const float* residual = e.residual.data == nullptr ? nullptr : e.residual.row(tile.first_row) + column;
  const Matrix out = job.out.slice(tile.first_row, tile.rows)
                         .columns_from(column, std::min(job.weights->outputs - column, tile.panels * 16));
  const FinishSums sink{from(e.bias), from(e.scale), residual,   e.residual.row_step,
                        out.data,     out.row_step,  out.columns};
  const SliceRows rows(job.x, tile, 0, job.weights->inputs, staged);
  multiply_slice(rows.data(), rows.step(), tile.rows, rows.runs(), panels, job.weights->inputs * 16, tile.panels, sink);
  if (e.activation == Activation::none) return;
  with_activation(e.activation, [&](auto function) HWY_ATTR {
    for (std::int64_t r = 0; r < out.rows; ++r) map_row(out.row(r), out.columns, out.row(r), function);
  });
}

template <class T>
static void product_tile_of(const ProductJob& job, const ProductTile& tile) {
  HWY_ALIGN float staged[kTileRows * kSlice];
  const std::int64_t inputs = job.weights->inputs;
  const T* panels = reinterpret_cast<const T*>(job.weights->panels.bytes()) + tile.first_panel * inputs * 16;
  const Epilogue& e = job.epilogue;
  const bool linear = e.activation == Activation::none || (e.scale == nullptr && e.residual.data == nullptr);
  if (inputs <= kSlice && linear) return one_slice(job, tile, panels, staged);
  HWY_ALIGN float sums[kTileRows * kTilePanels * 16];
  const std::int64_t sums_step = tile.panels * 16;
  for (std::int64_t k = 0; k < inputs || k == 0; k += kSlice) {
    const std::int64_t depth = std::min<std::int64_t>(inputs - k, kSlice);
    const SliceRows rows(job.x, tile, k, depth, staged);
    multiply_slice(rows.data(), rows.step(), tile.rows, rows.runs(), panels + k * 16, inputs * 16, tile.panels,
                   AddToSums{sums, sums_step, k == 0});
  }
  finish(job, tile, sums, sums_step);
}

void product_tile(const ProductJob& job, const ProductTile& tile) {
  switch (job.weights->panels.type()) {
    case DType::f16:
      return product_tile_of<hwy::float16_t>(job, tile);
    case DType::bf16:
      return product_tile_of<hwy::bfloat16_t>(job, tile);
    default:
      return product_tile_of<float>(job, tile);
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {

constexpr auto kProductTile = TESSERA_BUILDS(product_tile);

void require(bool holds, const char* what) {
  if (!holds) throw ArgumentError(std::string("product: ") + what);
}

// Sixteen rows side by side: reads run along the rows, writes are contiguous.
template <class T, class Convert>
void fill_panels(ConstMatrix weight, T* panels, const Convert& convert) {
  for (std::int64_t first = 0; first < weight.rows; first += 16) {
    const std::int64_t rows = std::min<std::int64_t>(16, weight.rows - first);
    for (std::int64_t k = 0; k < weight.columns; ++k, panels += 16) {
      for (std::int64_t n = 0; n < rows; ++n) panels[n] = convert(weight.row(first + n)[k]);
    }
  }
}

void fill_panels(ConstMatrix weight, DType storage, std::byte* panels) {
  if (storage == DType::f32) return fill_panels(weight, reinterpret_cast<float*>(panels), [](float x) { return x; });
  auto* narrow = reinterpret_cast<std::uint16_t*>(panels);
  if (storage == DType::f16) return fill_panels(weight, narrow, [](float x) { return f16_from_float(x); });
  fill_panels(weight, narrow, [](float x) { return bf16_from_float(x); });
}

}  // namespace

PackedWeights pack_weights(Context& context, ConstMatrix weight, DType storage) {
  if (storage == DType::i32) throw ArgumentError("pack_weights: weights are stored as f32, f16 or bf16");
  PackedWeights packed;
  packed.inputs = weight.columns;
  packed.outputs = weight.rows;
  packed.panels = context.allocate({packed.panel_count(), weight.columns, 16}, storage);
  if (!context.device().is_cuda()) {
    fill_panels(weight, storage, packed.panels.bytes());
    return packed;
  }
  std::vector<std::byte> host(static_cast<std::size_t>(packed.panels.size()) * size_of(storage));
  fill_panels(weight, storage, host.data());
  context.upload(host.data(), packed.panels.bytes(), host.size());
  return packed;
}

void product(Context& context, const Rows& x, const PackedWeights& weights, const Epilogue& epilogue, Matrix out) {
  require(x.inputs() == weights.inputs, "inputs of the rows and of the weights differ");
  require(out.rows == x.count && out.columns == weights.outputs, "the output's shape is not [rows, outputs]");
  require(epilogue.residual.data == nullptr ||
              (epilogue.residual.rows == out.rows && epilogue.residual.columns == out.columns),
          "the residual's shape is not the output's");
  if (out.rows == 0 || out.columns == 0) return;
  const ProductJob job{x, &weights, epilogue, out};
  if (context.device().is_cuda()) return cuda::product(job);
  const ProductPlan plan(job, context.threads());
  context.parallel_for(plan.tiles(), plan.grain(), [&, tile = build_for(context, kProductTile)](auto begin, auto end) {
    for (std::int64_t i = begin; i < end; ++i) tile(job, plan.tile(i));
  });
}

}  // namespace tessera
#endif
