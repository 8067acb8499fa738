// What every product does before its inner loops and behind them: rows out of their runs, sums through the epilogue.

#if defined(TESSERA_KERNELS_PRODUCT_EDGES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_PRODUCT_EDGES_INL_H_
#undef TESSERA_KERNELS_PRODUCT_EDGES_INL_H_
#else
#define TESSERA_KERNELS_PRODUCT_EDGES_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "kernels/activation-inl.h"
#include "kernels/product_plan.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

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

/// Rows [row, row + count) of a tile, their sums complete and `sum_step` floats apart.
[[maybe_unused]] static void finish_rows(const ProductJob& job, const ProductTile& tile, std::int64_t row,
                                         std::int64_t count, const float* sums, std::int64_t sum_step) {
  const std::int64_t first = tile.first_panel * 16;
  const std::int64_t columns = std::min(job.weights->outputs - first, tile.panels * 16);
  const Epilogue& e = job.epilogue;
  const auto from = [&](const float* p) { return p == nullptr ? nullptr : p + first; };
  with_activation(e.activation, [&](auto function) HWY_ATTR {
    for (std::int64_t r = row; r < row + count; ++r) {
      const float* residual = e.residual.data == nullptr ? nullptr : e.residual.row(tile.first_row + r) + first;
      finish_row(sums + r * sum_step, columns, function, from(e.bias), from(e.scale), residual,
                 job.out.row(tile.first_row + r) + first);
    }
  });
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
