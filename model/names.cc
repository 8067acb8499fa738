#include "model/names.h"

namespace tessera {

std::string layer_prefix(std::size_t stored_layer) { return "model.layers." + std::to_string(stored_layer) + "."; }

std::size_t stored_layers(const DecoderConfig& config) {
  return config.paired ? config.layers.size() / 2 : config.layers.size();
}

std::string embedding_name() { return "model.embed_tokens.weight"; }

std::string head_name(const DecoderConfig& config) { return config.tied ? embedding_name() : "lm_head.weight"; }

LayerNames layer_names(const DecoderConfig& config, std::size_t layer) {
  const std::string prefix = layer_prefix(config.paired ? layer / 2 : layer);
  const std::string half = config.paired ? "." + std::to_string(layer % 2) : "";
  return {prefix + "input_layernorm" + half, prefix + "self_attn" + half + ".",
          prefix + "post_attention_layernorm" + half, prefix + (config.paired ? "mlps" : "mlp") + half + ".",
          prefix + "mlp."};
}

namespace {

const std::string kDrafts = "model.mtp.";

std::string mtp_prefix(int index) { return kDrafts + "layers." + std::to_string(index) + "."; }

LayerNames plain_names(const std::string& prefix) {
  return {prefix + "input_layernorm", prefix + "self_attn.", prefix + "post_attention_layernorm", prefix + "mlp.",
          prefix + "mlp."};
}

DraftNames mimo_draft(const std::string& prefix) {
  DraftNames names{prefix + "enorm", prefix + "hnorm", prefix + "eh_proj.weight", plain_names(prefix), {}, kDrafts, {}};
  names.layer.mlp_norm = prefix + "pre_mlp_layernorm";
  names.norm = prefix + "final_layernorm";
  return names;
}

DraftNames longcat_draft(const std::string& prefix) {
  DraftNames names = mimo_draft(prefix);
  names.embedding_norm += ".m";
  names.hidden_norm += ".m";
  names.layer.mlp_norm = prefix + "post_attention_layernorm";
  names.layer.mlp = prefix + "transformer_layer.mlp.";
  names.norm = kDrafts + "norm";
  names.repeated = {kDrafts + "embed_tokens."};
  return names;
}

DraftNames deepseek_draft(const std::string& prefix) {
  DraftNames names = mimo_draft(prefix);
  names.layer.mlp_norm = prefix + "post_attention_layernorm";
  names.norm = prefix + "shared_head.norm";
  names.all = prefix;
  names.repeated = {prefix + "embed_tokens.", prefix + "shared_head.head."};
  return names;
}

}  // namespace

DraftNames draft_names(const DecoderConfig& config, int index) {
  if (!config.draft || !config.draft->chained) return mimo_draft(mtp_prefix(index));
  if (config.paired) return longcat_draft(mtp_prefix(index));
  return deepseek_draft(layer_prefix(stored_layers(config) + static_cast<std::size_t>(index)));
}

}  // namespace tessera
