#include "model/attention.h"

#include "kernels/elementwise.h"
#include "model/fused_projections.h"
#include "model/projection.h"

namespace tessera {

DecoderAttentionLayer::Projections DecoderAttentionLayer::load_inputs(Context& context, Checkpoint& checkpoint,
                                                                      const std::string& prefix,
                                                                      const DecoderAttention& a, std::int64_t hidden) {
  const std::string fused = prefix + "qkv_proj.weight";
  if (a.fused_ranks > 0) {
    const ProjectionRows rows = split_fused(checkpoint, fused, a, hidden);
    const auto layer = [&](const std::vector<float>& w) {
      const ConstMatrix weight(w.data(), static_cast<std::int64_t>(w.size()) / hidden, hidden);
      return LinearLayer(context, weight, checkpoint.stored_type(fused));
    };
    return {layer(rows.query), layer(rows.key), layer(rows.value)};
  }
  const auto layer = [&](const char* name, int heads, int size) {
    return projection(context, checkpoint, prefix + name, a.input_bias, std::int64_t{heads} * size, hidden);
  };
  return {layer("q_proj", a.heads, a.head_dim), layer("k_proj", a.key_value_heads, a.head_dim),
          layer("v_proj", a.key_value_heads, a.value_dim)};
}

DecoderAttentionLayer::DecoderAttentionLayer(Context& context, Checkpoint& checkpoint, const std::string& prefix,
                                             const DecoderAttention& a, const DecoderConfig& decoder)
    : attention_(context, a),
      value_scale_(a.value_scale),
      inputs_(load_inputs(context, checkpoint, prefix, a, decoder.hidden)),
      output_(projection(context, checkpoint, prefix + "o_proj", a.output_bias, decoder.hidden,
                         std::int64_t{a.heads} * a.value_dim)) {
  if (a.head_norm) {
    const auto norm = [&](const char* name) {
      return NormLayer(context, checkpoint, prefix + name, a.head_dim, NormLayer::Kind::rms, decoder.epsilon);
    };
    query_norm_ = norm("q_norm");
    key_norm_ = norm("k_norm");
  }
  if (a.sinks) sinks_ = load_vector(context, checkpoint, prefix + "attention_sink_bias", a.heads);
}

DecoderAttentionLayer::KeysAndValues DecoderAttentionLayer::keys_and_values(Context& context, ConstMatrix normed,
                                                                            const Tensor* query) const {
  const int heads = attention_.shape().key_value_heads;
  KeysAndValues both{context.scratch({normed.rows, inputs_.key.weights().outputs}),
                     context.scratch({normed.rows, inputs_.value.weights().outputs})};
  std::vector<ProductOf> all{inputs_.key.product_of(normed, both.key), inputs_.value.product_of(normed, both.value)};
  if (query != nullptr) all.push_back(inputs_.query.product_of(normed, *query));
  products(context, all);
  if (key_norm_) key_norm_->forward(context, by_head(both.key, heads), by_head(both.key, heads));
  if (value_scale_ != 1.0F) scale(context, both.value, value_scale_, both.value);
  return both;
}

void DecoderAttentionLayer::remember(Context& context, std::span<const BatchPart> parts, std::size_t layer,
                                     ConstMatrix normed) const {
  const KeysAndValues both = keys_and_values(context, normed, nullptr);
  attention_.remember(context, parts, layer, both.key, both.value);
}

void DecoderAttentionLayer::forward(Context& context, std::span<const BatchPart> parts, std::size_t layer,
                                    ConstMatrix normed, Matrix x) const {
  const AttentionShape& shape = attention_.shape();
  const Tensor query = context.scratch({x.rows, inputs_.query.weights().outputs});
  const KeysAndValues both = keys_and_values(context, normed, &query);
  if (query_norm_) query_norm_->forward(context, by_head(query, shape.heads), by_head(query, shape.heads));
  const Tensor mixed = context.scratch({x.rows, std::int64_t{shape.heads} * shape.values()});
  attention_.forward(context, parts, layer, query, both.key, both.value, sinks_.data(), mixed);
  Epilogue after;
  after.residual = x;
  output_.forward_into(context, mixed, after, x);
}

}  // namespace tessera
