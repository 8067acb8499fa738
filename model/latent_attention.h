#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "codec/layers/linear.h"
#include "model/cached_attention.h"

namespace tessera {

/// A product a head on the head's own columns: out[h] = x[h] * weight[h], all of one size.
class HeadwiseLinear {
 public:
  /// `weights`: row-major [outputs, inputs] for each head, one after the other; `storage` as in pack_weights.
  HeadwiseLinear(Context& context, const std::vector<std::vector<float>>& weights, std::int64_t inputs, DType storage);

  /// Head h has its columns from first + h * step on.
  struct Columns {
    std::int64_t first = 0;
    std::int64_t step = 0;
  };
  /// Leaves the columns of `out` between the heads' outputs as they are.
  void forward(Context& context, ConstMatrix x, Columns from, Matrix out, Columns to) const;

 private:
  std::vector<PackedWeights> weights_;
};

/// Latent attention (see DecoderLatent). Queries are taken into the space of the latent, so that the cache holds
/// nothing but [turning key | latent] and the heads attend to it as to one key/value head; a head's values are made of
/// what it has mixed. That is the same attention as with keys and values widened first, rounded elsewhere, and each
/// step is a product, so results depend on no chunk.
class LatentAttentionLayer {
 public:
  /// Tensors `prefix`q_proj.weight, or q_a_proj, q_a_layernorm and q_b_proj; kv_a_proj_with_mqa, kv_a_layernorm,
  /// kv_b_proj, o_proj; biases of q_a_proj, kv_a_proj_with_mqa and o_proj as `config` says.
  LatentAttentionLayer(Context& context, Checkpoint& checkpoint, const std::string& prefix,
                       const DecoderAttention& config, const DecoderConfig& decoder);

  /// As DecoderAttentionLayer's.
  void remember(Context& context, std::span<const BatchPart> parts, std::size_t layer, ConstMatrix normed) const;
  void forward(Context& context, std::span<const BatchPart> parts, std::size_t layer, ConstMatrix normed,
               Matrix x) const;

 private:
  // The two halves of kv_b_proj: queries to where the latent is, and what was mixed to values.
  struct Widening {
    HeadwiseLinear into_latent;
    HeadwiseLinear values;
  };

  static Widening load_widening(Context& context, Checkpoint& checkpoint, const std::string& name,
                                const DecoderAttention& config);
  [[nodiscard]] Tensor queries(Context& context, ConstMatrix normed) const;
  [[nodiscard]] Tensor keys(Context& context, ConstMatrix normed) const;

  CachedAttention attention_;
  DecoderLatent config_;
  std::int64_t turning_;
  std::int64_t rank_;
  std::optional<LinearLayer> narrow_query_;
  std::optional<NormLayer> query_norm_;
  LinearLayer query_;
  LinearLayer narrow_;
  NormLayer latent_norm_;
  Widening widening_;
  LinearLayer output_;
};

}  // namespace tessera
