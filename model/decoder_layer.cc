#include "model/decoder_layer.h"

namespace tessera {
namespace {

NormLayer layer_norm(Context& context, Checkpoint& checkpoint, const std::string& name, const DecoderConfig& decoder) {
  return {context, checkpoint, name, decoder.hidden, NormLayer::Kind::rms, decoder.epsilon};
}

}  // namespace

DecoderLayer::Attention DecoderLayer::load_attention(Context& context, Checkpoint& checkpoint,
                                                     const std::string& prefix, const DecoderAttention& attention,
                                                     const DecoderConfig& decoder) {
  if (attention.latent) return LatentAttentionLayer(context, checkpoint, prefix, attention, decoder);
  return DecoderAttentionLayer(context, checkpoint, prefix, attention, decoder);
}

DecoderLayer::DecoderLayer(Context& context, Checkpoint& checkpoint, const LayerNames& names,
                           const DecoderLayerConfig& config, const DecoderConfig& decoder)
    : attention_norm_(layer_norm(context, checkpoint, names.attention_norm, decoder)),
      attention_(load_attention(context, checkpoint, names.attention, config.attention, decoder)),
      mlp_norm_(layer_norm(context, checkpoint, names.mlp_norm, decoder)),
      later_(config.shortcut) {
  if (config.mixture) mixture_.emplace(context, checkpoint, names.mixture, *config.mixture, decoder);
  if (config.mixture && !config.shortcut) return;
  mlp_.emplace(context, checkpoint, names.mlp, decoder.hidden, config.width, decoder.activation, decoder.mlp_bias);
}

Tensor DecoderLayer::forward(Context& context, std::span<const BatchPart> parts, std::size_t index, Matrix x) const {
  Tensor normed = context.scratch({x.rows, x.columns});
  attention_norm_.forward(context, x, normed);
  std::visit([&](const auto& attention) { attention.forward(context, parts, index, normed, x); }, attention_);
  mlp_norm_.forward(context, x, normed);
  if (mlp_) mlp_->forward(context, normed, x, x);
  if (later_) return normed;
  if (mixture_) add_experts(context, normed, x);
  return {};
}

void DecoderLayer::add_experts(Context& context, ConstMatrix normed, Matrix x) const {
  mixture_->forward(context, normed, x);
}

void DecoderLayer::remember(Context& context, std::span<const BatchPart> parts, std::size_t index,
                            ConstMatrix x) const {
  const Tensor normed = context.scratch({x.rows, x.columns});
  attention_norm_.forward(context, x, normed);
  std::visit([&](const auto& attention) { attention.remember(context, parts, index, normed); }, attention_);
}

}  // namespace tessera
