#pragma once

#include <optional>
#include <span>
#include <string>

#include "codec/layers/linear.h"
#include "model/cached_attention.h"

namespace tessera {

/// Self-attention of a decoder layer: projections, head norms, rotary positions, cached keys and values.
class DecoderAttentionLayer {
 public:
  /// Tensors `prefix`{q,k,v,o}_proj.weight (or qkv_proj for the first three) and .bias, q_norm, k_norm,
  /// attention_sink_bias, as `config` says.
  DecoderAttentionLayer(Context& context, Checkpoint& checkpoint, const std::string& prefix,
                        const DecoderAttention& config, const DecoderConfig& decoder);

  /// Keys and values of rows nobody asks anything of.
  void remember(Context& context, std::span<const BatchPart> parts, std::size_t layer, ConstMatrix normed) const;
  /// x [rows, hidden] += attention of `normed`, the rows of which are the next positions of the sequences in `parts`.
  /// `layer` is this layer's number, which caches go by.
  void forward(Context& context, std::span<const BatchPart> parts, std::size_t layer, ConstMatrix normed,
               Matrix x) const;

 private:
  struct Projections {
    LinearLayer query;
    LinearLayer key;
    LinearLayer value;
  };

  struct KeysAndValues {
    Tensor key;
    Tensor value;
  };

  /// And queries, where they are wanted.
  [[nodiscard]] KeysAndValues keys_and_values(Context& context, ConstMatrix normed, const Tensor* query) const;
  static Projections load_inputs(Context& context, Checkpoint& checkpoint, const std::string& prefix,
                                 const DecoderAttention& config, std::int64_t hidden);

  CachedAttention attention_;
  float value_scale_;
  Projections inputs_;
  LinearLayer output_;
  std::optional<NormLayer> query_norm_;
  std::optional<NormLayer> key_norm_;
  Tensor sinks_;
};

}  // namespace tessera
