#include "model/attention.h"

#include <cmath>

#include "kernels/elementwise.h"
#include "kernels/rotary.h"

namespace tessera {
namespace {

AttentionShape shape_of(const DecoderAttention& a) {
  AttentionShape shape;
  shape.heads = a.heads;
  shape.key_value_heads = a.key_value_heads;
  shape.head_dim = a.head_dim;
  shape.left = a.left;
  shape.right = 0;
  shape.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(a.head_dim)));
  shape.value_dim = a.value_dim;
  return shape;
}

LinearLayer linear(Context& context, Checkpoint& checkpoint, const std::string& name, bool bias, std::int64_t outputs,
                   std::int64_t inputs) {
  return {context, checkpoint, {{name + ".weight", bias ? name + ".bias" : "", outputs}}, inputs};
}

// [rows, heads * size] as [rows * heads, size].
Matrix by_head(const Tensor& x, int heads) {
  const Matrix m = x;
  return {m.data, m.rows * heads, m.columns / heads};
}

}  // namespace

DecoderAttentionLayer::DecoderAttentionLayer(Context& context, Checkpoint& checkpoint, const std::string& prefix,
                                             const DecoderAttention& a, const DecoderConfig& decoder)
    : shape_(shape_of(a)),
      rotary_dim_(a.rotary_dim),
      value_scale_(a.value_scale),
      frequencies_(to_device(context, a.frequencies)),
      query_(linear(context, checkpoint, prefix + "q_proj", a.input_bias, std::int64_t{a.heads} * a.head_dim,
                    decoder.hidden)),
      key_(linear(context, checkpoint, prefix + "k_proj", a.input_bias, std::int64_t{a.key_value_heads} * a.head_dim,
                  decoder.hidden)),
      value_(linear(context, checkpoint, prefix + "v_proj", a.input_bias, std::int64_t{a.key_value_heads} * a.value_dim,
                    decoder.hidden)),
      output_(linear(context, checkpoint, prefix + "o_proj", a.output_bias, decoder.hidden,
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

void DecoderAttentionLayer::forward(Context& context, std::span<const BatchPart> parts, std::size_t layer,
                                    ConstMatrix normed, Matrix x) const {
  const Tensor query = query_.forward(context, normed);
  const Tensor key = key_.forward(context, normed);
  const Tensor value = value_.forward(context, normed);
  if (query_norm_) query_norm_->forward(context, by_head(query, shape_.heads), by_head(query, shape_.heads));
  if (key_norm_) {
    key_norm_->forward(context, by_head(key, shape_.key_value_heads), by_head(key, shape_.key_value_heads));
  }
  if (value_scale_ != 1.0F) scale(context, value, value_scale_, value);
  const Tensor mixed = context.scratch({x.rows, std::int64_t{shape_.heads} * shape_.values()});
  for (const BatchPart& part : parts) {
    const auto rows = [&](const Tensor& t) { return t.matrix().slice(part.first_row, part.rows); };
    attend_part(context, part, part.sequence->cache(layer), rows(query), rows(key), rows(value), rows(mixed));
  }
  Epilogue after;
  after.residual = x;
  output_.forward_into(context, mixed, after, x);
}

void DecoderAttentionLayer::attend_part(Context& context, const BatchPart& part, KeyValueCache& cache, Matrix query,
                                        Matrix key, ConstMatrix value, Matrix out) const {
  const std::int64_t position = part.sequence->length();
  const auto turn = [&](int heads, Matrix x) {
    rotary(context, {heads, shape_.head_dim, rotary_dim_, RotaryLayout::half_split}, frequencies_.data(), position, x);
  };
  turn(shape_.heads, query);
  turn(shape_.key_value_heads, key);
  cache.append(context, position, key, value);
  attend(context, cache, shape_, query, position, 0, position + part.rows, out, sinks_.data());
}

}  // namespace tessera
