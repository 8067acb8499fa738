#include "model/latent_attention.h"

#include "kernels/elementwise.h"
#include "model/projection.h"

namespace tessera {
namespace {

// Of the norms of both latents, whatever rms_norm_eps says.
constexpr float kLatentEpsilon = 1e-6F;

NormLayer norm(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t width) {
  return {context, checkpoint, name, width, NormLayer::Kind::rms, kLatentEpsilon};
}

std::int64_t query_dim(const DecoderAttention& a) { return a.latent->key_dim + a.rotary_dim; }

std::int64_t query_inputs(const DecoderAttention& a, const DecoderConfig& decoder) {
  return a.latent->query_rank > 0 ? a.latent->query_rank : decoder.hidden;
}

// A head's rows of kv_b_proj, [key_dim + value_dim, latent]: first those that make its keys of a latent.
const float* head_of(const std::vector<float>& widening, const DecoderAttention& a, int head) {
  return widening.data() + std::int64_t{head} * (a.latent->key_dim + a.latent->value_dim) * a.value_dim;
}

// query . (W latent) = (transposed W query) . latent: [latent, key_dim] of each head.
std::vector<std::vector<float>> into_latent(const std::vector<float>& widening, const DecoderAttention& a) {
  const auto keys = static_cast<std::size_t>(a.latent->key_dim);
  const auto rank = static_cast<std::size_t>(a.value_dim);
  std::vector<std::vector<float>> heads;
  for (int h = 0; h < a.heads; ++h) {
    const float* from = head_of(widening, a, h);
    std::vector<float>& to = heads.emplace_back(rank * keys);
    for (std::size_t k = 0; k < keys; ++k) {
      for (std::size_t i = 0; i < rank; ++i) to[i * keys + k] = from[k * rank + i];
    }
  }
  return heads;
}

// [value_dim, latent] of each head.
std::vector<std::vector<float>> to_values(const std::vector<float>& widening, const DecoderAttention& a) {
  std::vector<std::vector<float>> heads;
  for (int h = 0; h < a.heads; ++h) {
    const float* from = head_of(widening, a, h) + std::int64_t{a.latent->key_dim} * a.value_dim;
    heads.emplace_back(from, from + std::int64_t{a.latent->value_dim} * a.value_dim);
  }
  return heads;
}

}  // namespace

HeadwiseLinear::HeadwiseLinear(Context& context, const std::vector<std::vector<float>>& weights, std::int64_t inputs,
                               DType storage) {
  for (const std::vector<float>& head : weights) {
    const auto outputs = static_cast<std::int64_t>(head.size()) / inputs;
    weights_.push_back(pack_weights(context, {head.data(), outputs, inputs}, {storage, Math::fast}));
  }
}

void HeadwiseLinear::forward(Context& context, ConstMatrix x, Columns from, Matrix out, Columns to) const {
  for (std::size_t h = 0; h < weights_.size(); ++h) {
    const auto head = static_cast<std::int64_t>(h);
    const PackedWeights& weights = weights_[h];
    product(context, x.columns_from(from.first + head * from.step, weights.inputs), weights, {},
            out.columns_from(to.first + head * to.step, weights.outputs));
  }
}

LatentAttentionLayer::Widening LatentAttentionLayer::load_widening(Context& context, Checkpoint& checkpoint,
                                                                   const std::string& name, const DecoderAttention& a) {
  const DType storage = checkpoint.stored_type(name);
  const std::int64_t outputs = a.heads * std::int64_t{a.latent->key_dim + a.latent->value_dim};
  const std::vector<float> all = checkpoint.floats(name, {outputs, a.value_dim});
  return {HeadwiseLinear(context, into_latent(all, a), a.latent->key_dim, storage),
          HeadwiseLinear(context, to_values(all, a), a.value_dim, storage)};
}

LatentAttentionLayer::LatentAttentionLayer(Context& context, Checkpoint& checkpoint, const std::string& prefix,
                                           const DecoderAttention& a, const DecoderConfig& decoder)
    : attention_(context, a),
      config_(*a.latent),
      turning_(a.rotary_dim),
      rank_(a.value_dim),
      query_(projection(context, checkpoint, prefix + (config_.query_rank > 0 ? "q_b_proj" : "q_proj"), false,
                        a.heads * query_dim(a), query_inputs(a, decoder))),
      narrow_(projection(context, checkpoint, prefix + "kv_a_proj_with_mqa", a.input_bias, rank_ + turning_,
                         decoder.hidden)),
      latent_norm_(norm(context, checkpoint, prefix + "kv_a_layernorm", rank_)),
      widening_(load_widening(context, checkpoint, prefix + "kv_b_proj.weight", a)),
      output_(projection(context, checkpoint, prefix + "o_proj", a.output_bias, decoder.hidden,
                         std::int64_t{a.heads} * config_.value_dim)) {
  if (config_.query_rank > 0) {
    narrow_query_ =
        projection(context, checkpoint, prefix + "q_a_proj", a.input_bias, config_.query_rank, decoder.hidden);
    query_norm_ = norm(context, checkpoint, prefix + "q_a_layernorm", config_.query_rank);
  }
}

// [rows, heads * (turning + rank)]: what meets the turning key, then what meets the latent.
Tensor LatentAttentionLayer::queries(Context& context, ConstMatrix normed) const {
  Tensor narrowed;
  if (narrow_query_) {
    narrowed = narrow_query_->forward(context, normed);
    query_norm_->forward(context, narrowed, narrowed);
    normed = narrowed;
  }
  const int heads = attention_.shape().heads;
  const Tensor query = query_.forward(context, normed);
  Tensor out = context.scratch({normed.rows, heads * (turning_ + rank_)});
  scale(context, by_head(query, heads).columns_from(config_.key_dim, turning_), config_.turning_scale,
        by_head(out, heads).columns_from(0, turning_));
  widening_.into_latent.forward(context, query, {0, config_.key_dim + turning_}, out, {turning_, turning_ + rank_});
  return out;
}

// [rows, turning + rank]; the checkpoint has the latent first.
Tensor LatentAttentionLayer::keys(Context& context, ConstMatrix normed) const {
  const Tensor narrowed = narrow_.forward(context, normed);
  Tensor out = context.scratch({normed.rows, turning_ + rank_});
  const Matrix latent = out.matrix().columns_from(turning_, rank_);
  latent_norm_.forward(context, narrowed.matrix().columns_from(0, rank_), latent);
  if (config_.scale != 1.0F) scale(context, latent, config_.scale, latent);
  copy_rows(context, narrowed.matrix().columns_from(rank_, turning_), out.matrix().columns_from(0, turning_));
  return out;
}

void LatentAttentionLayer::remember(Context& context, std::span<const BatchPart> parts, std::size_t layer,
                                    ConstMatrix normed) const {
  const Tensor key = keys(context, normed);
  attention_.remember(context, parts, layer, key, key.matrix().columns_from(turning_, rank_));
}

void LatentAttentionLayer::forward(Context& context, std::span<const BatchPart> parts, std::size_t layer,
                                   ConstMatrix normed, Matrix x) const {
  const std::int64_t heads = attention_.shape().heads;
  const Tensor query = queries(context, normed);
  const Tensor key = keys(context, normed);
  const Tensor mixed = context.scratch({x.rows, heads * rank_});
  attention_.forward(context, parts, layer, query, key, key.matrix().columns_from(turning_, rank_), nullptr, mixed);
  const Tensor values = context.scratch({x.rows, heads * config_.value_dim});
  widening_.values.forward(context, mixed, {0, rank_}, values, {0, config_.value_dim});
  Epilogue after;
  after.residual = x;
  output_.forward_into(context, values, after, x);
}

}  // namespace tessera
