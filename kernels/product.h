#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/activation.h"
#include "kernels/arithmetic.h"
#include "kernels/context.h"
#include "kernels/weight_source.h"

namespace tessera {

/// The one product: rows × packed weights. A linear layer, a convolution (rows overlap), a dilated convolution (a row
/// is several runs), a transposed convolution, an STFT, a mel bank, a resampler, a codebook search are all this.

/// How row r of the left operand lies in memory: `runs` runs of `run_length` contiguous floats, `run_step` apart,
/// the first at data + r * step. Inputs per row = runs * run_length.
struct Rows {
  const float* data = nullptr;
  std::int64_t count = 0;
  std::int64_t step = 0;
  std::int64_t run_length = 0;
  std::int64_t runs = 1;
  std::int64_t run_step = 0;

  Rows() = default;
  Rows(ConstMatrix m) : data(m.data), count(m.rows), step(m.row_step), run_length(m.columns) {}  // NOLINT
  Rows(Matrix m) : Rows(ConstMatrix(m)) {}                                                       // NOLINT
  [[nodiscard]] std::int64_t inputs() const noexcept { return runs * run_length; }
};

/// How pack_weights keeps a matrix.
struct WeightFormat {
  /// Values must be representable in it (they are, when the checkpoint stores them so); else they round to nearest
  /// even.
  DType type = DType::f32;
  /// fast: the layer of a network. In a context of fast math its product is fast where that pays (kernels/bfloat.h); in
  /// one of quantised weights they are quantised.
  Math math = Math::exact;

  WeightFormat() = default;
  WeightFormat(DType type_, Math math_ = Math::exact) : type(type_), math(math_) {}  // NOLINT
};

/// What weights of 8 or 4 bits are (kernels/quantised.h): integers, or numbers of FP8 (E4M3), times scales; or bfloat16
/// in 12 bits (kernels/bf12.h).
enum class WeightCodes : std::uint8_t { none, int4, int8, e4m3, bf12 };

/// Weights as every backend reads them: panels of 16 outputs, slice after slice of at most 256 inputs,
/// [slice][ceil(outputs/16)][inputs of the slice][16], zeros behind the last output. So the panels of one slice are one
/// stretch of memory, and inputs that are a power of two do not fall into the same cache sets. Stored as f32, f16 or
/// bf16; narrow types widen exactly. Of a fast product they lie as kernels/bfloat.h says,
/// quantised as kernels/quantised.h does, in 12 bits as kernels/bf12.h does.
struct PackedWeights {
  Tensor panels;
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;
  bool fast = false;
  WeightCodes codes = WeightCodes::none;

  [[nodiscard]] std::int64_t panel_count() const noexcept { return (outputs + 15) / 16; }
  /// Inputs of the slice that begins at input `k`.
  [[nodiscard]] std::int64_t slice_depth(std::int64_t k) const noexcept {
    return std::min<std::int64_t>(inputs - k, kSlice);
  }
  /// First element of a panel's slice that begins at input `k`.
  [[nodiscard]] std::int64_t slice_offset(std::int64_t k, std::int64_t panel) const noexcept {
    return (k * panel_count() + panel * slice_depth(k)) * 16;
  }
};

/// Packs a row-major [outputs, inputs] host matrix (the layout of a PyTorch Linear) for `context`'s device and math.
/// FP8 stays as it is stored where quantised::keeps_e4m3() holds (kernels/quantised.h), bfloat16 is kept in 12 bits
/// where that is smaller (kernels/bf12.h). Throws ArgumentError for i32.
[[nodiscard]] PackedWeights pack_weights(Context& context, const WeightSource& weight, WeightFormat format = {});
[[nodiscard]] PackedWeights pack_weights(Context& context, ConstMatrix weight, WeightFormat format = {});

/// What happens to each sum before it is stored: y = activation(sum + bias) * scale + residual, each step rounded,
/// absent ones skipped.
struct Epilogue {
  const float* bias = nullptr;  ///< [outputs]
  Activation activation = Activation::none;
  const float* scale = nullptr;  ///< [outputs], LayerScale
  ConstMatrix residual;          ///< [rows, outputs]; may be `out` itself
};

/// out[r, n] = epilogue(sum over k of x[r, k] * w[n, k]), the sum as the arithmetic contract says: slices of 256
/// inputs, each one ascending chain of fused multiply-adds from zero, added in ascending order. x.inputs() ==
/// weights.inputs; out is [x.count, weights.outputs] and does not overlap x. Of fast weights the sum is that of
/// kernels/bfloat.h. Throws ArgumentError when shapes disagree, or for fast weights in a context of exact math.
void product(Context& context, const Rows& x, const PackedWeights& weights, const Epilogue& epilogue, Matrix out);

/// One product of several.
struct ProductOf {
  Rows x;
  const PackedWeights* weights;
  Matrix out;
  const float* bias = nullptr;  ///< [outputs]
};

/// Several products that do not read each other's results, as product() gives them, in one go: threads meet once.
void products(Context& context, const std::vector<ProductOf>& all);

/// Some outputs of a product: [first, first + count).
struct OutputRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

/// The same bits of the outputs in `only`, and of those that share a panel of 16 with one of them; the other columns of
/// `out` and their weights are left alone. Throws ArgumentError when `only` is not within the outputs, too.
void product(Context& context, const Rows& x, const PackedWeights& weights, const Epilogue& epilogue, Matrix out,
             OutputRange only);

}  // namespace tessera
