#pragma once

#include <string>
#include <vector>

#include "codec/checkpoint/checkpoint.h"
#include "kernels/norm.h"
#include "kernels/product.h"

namespace tessera {

/// A vector of a checkpoint on the device: a bias, a norm's weight, a LayerScale.
[[nodiscard]] Tensor load_vector(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t size);
[[nodiscard]] Tensor to_device(Context& context, const std::vector<float>& values);

/// Rows × weights. Several checkpoint tensors that read the same input (q, k, v) are one product.
class LinearLayer {
 public:
  struct Part {
    std::string weight;  ///< tensor [outputs, inputs], or [outputs, inputs, 1]
    std::string bias;    ///< empty: zeros
    std::int64_t outputs = 0;
  };

  /// `math`: exact for what decides directly (a quantizer's projections, a router), however fast the context's is, and
  /// its weights as they are stored, never quantised.
  LinearLayer(Context& context, Checkpoint& checkpoint, const std::vector<Part>& parts, std::int64_t inputs,
              Math math = Math::fast);
  /// Of a host matrix [outputs, inputs], without bias; `storage` as in pack_weights.
  LinearLayer(Context& context, ConstMatrix weight, DType storage);

  [[nodiscard]] Tensor forward(Context& context, ConstMatrix x, Epilogue after = {}) const;
  [[nodiscard]] const PackedWeights& weights() const noexcept { return weights_; }
  /// Writes to `out`, which may be `after.residual`.
  void forward_into(Context& context, ConstMatrix x, Epilogue after, Matrix out) const;
  /// Only the columns of whole panels that hold `only` (see product).
  void forward_into(Context& context, ConstMatrix x, Epilogue after, Matrix out, OutputRange only) const;
  /// What forward_into() does, for products().
  [[nodiscard]] ProductOf product_of(ConstMatrix x, Matrix out) const { return {x, &weights_, out, bias_.data()}; }

 private:
  PackedWeights weights_;
  Tensor bias_;
};

/// LayerNorm (weight and bias) or RMSNorm (weight) over channels.
class NormLayer {
 public:
  enum class Kind : std::uint8_t { layer, rms };

  NormLayer(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t width, Kind kind,
            float epsilon);

  void forward(Context& context, ConstMatrix x, Matrix out) const;

 private:
  Kind kind_;
  float epsilon_;
  Tensor weight_;
  Tensor bias_;
};

}  // namespace tessera
