#include "codec/layers/transformer.h"

#include <cmath>

#include "codec/layers/conv.h"
#include "kernels/elementwise.h"

namespace tessera {
namespace {

AttentionShape attention_shape(const TransformerShape& s) {
  AttentionShape a;
  a.heads = s.heads;
  a.key_value_heads = s.key_value_heads;
  a.head_dim = s.head_dim;
  a.left = s.left;
  a.right = s.right;
  a.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(s.head_dim)));
  return a;
}

std::string joined(const std::string& prefix, const std::string& name) { return name.empty() ? name : prefix + name; }

Tensor optional_vector(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t size) {
  return name.empty() ? Tensor() : load_vector(context, checkpoint, name, size);
}

}  // namespace

Transformer::Transformer(Context& context, Checkpoint& checkpoint, const std::string& prefix,
                         const TransformerShape& shape, const TransformerNames& names)
    : shape_(shape),
      attention_(attention_shape(shape)),
      frequencies_(to_device(context, rotary_frequencies(shape.rope_theta, shape.head_dim))) {
  for (int i = 0; i < shape.layers; ++i) {
    layers_.push_back(load_layer(context, checkpoint, prefix + "." + std::to_string(i) + ".", names));
  }
}

Transformer::Layer Transformer::load_layer(Context& context, Checkpoint& checkpoint, const std::string& prefix,
                                           const TransformerNames& n) const {
  const TransformerShape& s = shape_;
  const std::int64_t queries = std::int64_t{s.heads} * s.head_dim;
  const std::int64_t keys = std::int64_t{s.key_value_heads} * s.head_dim;
  const auto norm = [&](const std::string& name) {
    return NormLayer(context, checkpoint, prefix + name, s.width, s.norm, s.epsilon);
  };
  const auto part = [&](const std::string& weight, const std::string& bias, std::int64_t outputs) {
    return LinearLayer::Part{prefix + weight, joined(prefix, bias), outputs};
  };
  const auto linear = [&](const std::vector<LinearLayer::Part>& parts, std::int64_t inputs) {
    return LinearLayer(context, checkpoint, parts, inputs);
  };
  return {
      norm(n.attention_norm),
      linear({part(n.query, n.query_bias, queries), part(n.key, n.key_bias, keys), part(n.value, n.value_bias, keys)},
             s.width),
      linear({part(n.output, n.output_bias, s.width)}, queries),
      norm(n.mlp_norm),
      linear({part(n.mlp_in, n.mlp_in_bias, s.mlp_width)}, s.width),
      linear({part(n.mlp_out, n.mlp_out_bias, s.width)}, s.mlp_width),
      optional_vector(context, checkpoint, joined(prefix, n.attention_scale), s.width),
      optional_vector(context, checkpoint, joined(prefix, n.mlp_scale), s.width)};
}

Transformer::State Transformer::start_stream(Context& context, std::int64_t frames) const {
  State state;
  for (int i = 0; i < shape_.layers; ++i) {
    state.caches.emplace_back(context, shape_.key_value_heads, shape_.head_dim, shape_.left + frames);
  }
  return state;
}

Transformer::State Transformer::start_whole(Context& context, std::int64_t frames) const {
  State state;
  state.caches.emplace_back(context, shape_.key_value_heads, shape_.head_dim, std::max<std::int64_t>(frames, 1));
  return state;
}

void Transformer::forward(Context& context, State& state, Matrix x) const {
  Tensor skipped;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    KeyValueCache& cache = state.caches[state.caches.size() == 1 ? 0 : i];
    attend_layer(context, layers_[i], cache, state.position, x);
    mlp(context, layers_[i], x);
    if (static_cast<int>(i) + 1 == shape_.skip_layer) {
      skipped = context.scratch({x.rows, x.columns});
      copy_frames(context, x, skipped);
    }
  }
  if (!skipped.empty()) add(context, x, skipped, x);
  state.position += x.rows;
}

void Transformer::attend_layer(Context& context, const Layer& layer, KeyValueCache& cache, std::int64_t position,
                               Matrix x) const {
  const std::int64_t queries = std::int64_t{shape_.heads} * shape_.head_dim;
  const std::int64_t keys = std::int64_t{shape_.key_value_heads} * shape_.head_dim;
  const Tensor normed = context.scratch({x.rows, x.columns});
  layer.attention_norm.forward(context, x, normed);
  const Tensor projected = layer.query_key_value.forward(context, normed);
  const Matrix all = projected.matrix();
  const Matrix query = all.columns_from(0, queries);
  const Matrix key = all.columns_from(queries, keys);
  const RotaryShape rope{shape_.heads, shape_.head_dim, shape_.head_dim, RotaryLayout::half_split};
  const RotaryShape key_rope{shape_.key_value_heads, shape_.head_dim, shape_.head_dim, RotaryLayout::half_split};
  rotary(context, rope, frequencies_.data(), position, query);
  rotary(context, key_rope, frequencies_.data(), position, key);
  cache.append(context, position, key, all.columns_from(queries + keys, keys));
  const Tensor attended = context.scratch({x.rows, queries});
  attend(context, cache, attention_, query, position, 0, position + x.rows, attended);
  Epilogue after;
  after.scale = layer.attention_scale.data();
  after.residual = x;
  layer.output.forward_into(context, attended, after, x);
}

void Transformer::mlp(Context& context, const Layer& layer, Matrix x) const {
  const Tensor normed = context.scratch({x.rows, x.columns});
  layer.mlp_norm.forward(context, x, normed);
  Epilogue inner;
  inner.activation = shape_.activation;
  const Tensor hidden = layer.mlp_in.forward(context, normed, inner);
  Epilogue after;
  after.scale = layer.mlp_scale.data();
  after.residual = x;
  layer.mlp_out.forward_into(context, hidden, after, x);
}

}  // namespace tessera
