// The inner loops of attention: a few queries times panels of keys, and their weights times values, in registers.

#if defined(TESSERA_KERNELS_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_ATTENTION_INL_H_
#undef TESSERA_KERNELS_ATTENTION_INL_H_
#else
#define TESSERA_KERNELS_ATTENTION_INL_H_
#endif

#include <cstring>

#include "kernels/arithmetic.h"
#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

// Rows x panels whose chains fit the registers; fewer rows take more panels to hide latency.
inline constexpr int kQueryRows = kParts == 1 ? 12 : 6;
inline constexpr int kQueryPanels = kParts == 1 ? 2 : 1;
inline constexpr int kStreamPanels = kParts == 1 ? 4 : 2;

/// Rows `step` floats apart.
struct RowsApart {
  const float* x;
  std::int64_t step;
  [[nodiscard]] HWY_INLINE float at(int r, std::int64_t k) const { return x[r * step + k]; }
  [[nodiscard]] HWY_INLINE RowsApart from(std::int64_t k) const { return {x + k, step}; }
};

/// [depth][kRows]: one pointer serves them all.
template <int kRows>
struct RowsTogether {
  const float* x;
  [[nodiscard]] HWY_INLINE float at(int r, std::int64_t k) const { return x[k * kRows + r]; }
  [[nodiscard]] HWY_INLINE RowsTogether from(std::int64_t k) const { return {x + k * kRows}; }
};

/// chain[r][p] = fma(x(r, k), panel p's row k, chain[r][p]) for k < depth.
template <int kRows, int kPanels, class AnyRows>
static HWY_INLINE void extend_chains(const AnyRows& x, std::int64_t depth, const float* panels, std::int64_t row_step,
                                     std::int64_t panel_step, Floats (&chain)[kRows][kPanels]) {
  for (std::int64_t k = 0; k < depth; ++k) {
    Floats w[kPanels];
    for (int p = 0; p < kPanels; ++p) w[p] = load(panels + k * row_step + p * panel_step);
    for (int r = 0; r < kRows; ++r) {
      const Floats factor = Lanes::set(x.at(r, k));
      for (int p = 0; p < kPanels; ++p) chain[r][p] = Lanes::fma(factor, w[p], chain[r][p]);
    }
  }
}

template <int kRows, int kPanels>
static HWY_INLINE void zero_chains(Floats (&chain)[kRows][kPanels]) {
  for (auto& row : chain) {
    for (Floats& c : row) c = Lanes::set(0.0F);
  }
}

/// Calls f.operator()<rows, panels>(row, panel) on blocks that cover `rows` x `panels`, panels outermost.
template <class F>
static HWY_INLINE void each_block(std::int64_t rows, std::int64_t panels, const F& f) {
  const auto column = [&]<int kPanels>(std::int64_t panel) HWY_ATTR {
    std::int64_t r = 0;
    for (; r + kQueryRows <= rows; r += kQueryRows) f.template operator()<kQueryRows, kPanels>(r, panel);
    if constexpr (kQueryRows == 12) {
      for (; r + 6 <= rows; r += 6) f.template operator()<6, kPanels>(r, panel);
    }
    for (; r + 3 <= rows; r += 3) f.template operator()<3, kPanels>(r, panel);
    for (; r < rows; ++r) f.template operator()<1, kPanels>(r, panel);
  };
  std::int64_t p = 0;
  if (rows <= 2) {
    for (; p + kStreamPanels <= panels; p += kStreamPanels) {
      for (std::int64_t r = 0; r < rows; ++r) f.template operator()<1, kStreamPanels>(r, p);
    }
  }
  for (; p + kQueryPanels <= panels; p += kQueryPanels) column.template operator()<kQueryPanels>(p);
  if constexpr (kQueryPanels != 1) {
    for (; p < panels; ++p) column.template operator()<1>(p);
  }
}

/// Queries as score() reads them: as many whole groups of kQueryRows as there are, together, the others apart.
static HWY_INLINE void stage_query(const float* query, std::int64_t r, std::int64_t rows, std::int64_t head_dim,
                                   float* queries) {
  if (r >= rows / kQueryRows * kQueryRows) {
    std::memcpy(queries + r * head_dim, query, static_cast<std::size_t>(head_dim) * sizeof(float));
    return;
  }
  float* group = queries + r / kQueryRows * kQueryRows * head_dim + r % kQueryRows;
  for (std::int64_t k = 0; k < head_dim; ++k) group[k * kQueryRows] = query[k];
}

/// Of a block of rows, staged.
template <int kRows>
static HWY_INLINE auto staged_rows(const float* queries, std::int64_t first, std::int64_t head_dim) {
  const float* x = queries + first * head_dim;
  if constexpr (kRows == kQueryRows) {
    return RowsTogether<kRows>{x};
  } else {
    return RowsApart{x, head_dim};
  }
}

/// scores[r, 16 p + lane] = scale * dot(query r, key of that lane), in slices of 256 elements.
static HWY_INLINE void score(const float* queries, std::int64_t rows, std::int64_t head_dim, const float* keys,
                             std::int64_t panels, float scale, float* scores, std::int64_t scores_step) {
  const Floats factor = Lanes::set(scale);
  each_block(rows, panels, [&]<int kRows, int kPanels>(std::int64_t first, std::int64_t panel) HWY_ATTR {
    const auto x = staged_rows<kRows>(queries, first, head_dim);
    const float* at = keys + panel * head_dim * 16;
    Floats sum[kRows][kPanels];
    zero_chains(sum);
    extend_chains(x, std::min<std::int64_t>(head_dim, kSlice), at, 16, head_dim * 16, sum);
    for (std::int64_t k = kSlice; k < head_dim; k += kSlice) {
      Floats chain[kRows][kPanels];
      zero_chains(chain);
      const std::int64_t depth = std::min<std::int64_t>(head_dim - k, kSlice);
      extend_chains(x.from(k), depth, at + k * 16, 16, head_dim * 16, chain);
      for (int r = 0; r < kRows; ++r) {
        for (int p = 0; p < kPanels; ++p) sum[r][p] = Lanes::add(sum[r][p], chain[r][p]);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      float* out = scores + (first + r) * scores_step + panel * 16;
      for (int p = 0; p < kPanels; ++p) store(Lanes::mul(factor, sum[r][p]), out + p * 16);
    }
  });
}

/// chains[r, d] = fma(weights[r, j], values[j, d], chains[r, d]) for j < count. Chains and values lie `padded` apart.
static HWY_INLINE void weigh(const float* weights, std::int64_t weights_step, std::int64_t rows, std::int64_t count,
                             const float* values, std::int64_t padded, float* chains) {
  if (count <= 0) return;
  each_block(rows, padded / 16, [&]<int kRows, int kPanels>(std::int64_t first, std::int64_t panel) HWY_ATTR {
    float* at = chains + first * padded + panel * 16;
    Floats chain[kRows][kPanels];
    for (int r = 0; r < kRows; ++r) {
      for (int p = 0; p < kPanels; ++p) chain[r][p] = load(at + r * padded + p * 16);
    }
    extend_chains(RowsApart{weights + first * weights_step, weights_step}, count, values + panel * 16, padded, 16,
                  chain);
    for (int r = 0; r < kRows; ++r) {
      for (int p = 0; p < kPanels; ++p) store(chain[r][p], at + r * padded + p * 16);
    }
  });
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
