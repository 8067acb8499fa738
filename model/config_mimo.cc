// config.json of MiMo-V2.

#include <array>
#include <numeric>

#include "model/config_reader.h"

namespace tessera::detail {
namespace {

// MiMo-V2 has two kinds of layers with sizes and rotary bases of their own; `prefix` is "" or "swa_".
DecoderAttention mimo_attention(const Config& c, const std::string& prefix) {
  const bool sliding = !prefix.empty();
  DecoderAttention a;
  a.heads = small(c, prefix + "num_attention_heads", kMostHeads);
  a.key_value_heads = small(c, prefix + "num_key_value_heads", kMostHeads);
  a.head_dim = small(c, prefix + "head_dim", kMostHeadDim);
  a.value_dim = small(c, prefix + "v_head_dim", kMostHeadDim);
  check_heads(c, a);
  set_rotary(c, c.number(prefix + "rope_theta"), static_cast<int>(a.head_dim * c.number("partial_rotary_factor")), a);
  a.input_bias = c.boolean("attention_bias");
  a.sinks = c.boolean(sliding ? "add_swa_attention_sink_bias" : "add_full_attention_sink_bias");
  if (c.has("attention_value_scale")) a.value_scale = static_cast<float>(c.number("attention_value_scale"));
  // Unlike other families' windows this one counts the positions before the query (SGLang, transformers 5.23).
  if (sliding) a.left = c.integer("sliding_window_size", 1, kMostPositions);
  return a;
}

// One number of ranks serves both kinds of layers.
void set_ranks(const Config& c, std::array<DecoderAttention, 2>& kinds) {
  const std::string layout = text(c, "attention_projection_layout", "split");
  if (layout == "split") return;
  require(c, layout == "fused_qkv", "\"attention_projection_layout\" must be split or fused_qkv");
  require(c, !kinds[0].input_bias, "\"attention_bias\" goes with separate projections only");
  const int ranks = std::gcd(kinds[0].key_value_heads, kinds[1].key_value_heads);
  for (DecoderAttention& a : kinds) a.fused_ranks = ranks;
}

DecoderMixture mimo_mixture(const Config& c) {
  require(c, c.string("scoring_func") == "sigmoid", "\"scoring_func\" must be sigmoid");
  require(c, c.string("topk_method") == "noaux_tc", "\"topk_method\" must be noaux_tc");
  require(c, !c.has("n_shared_experts"), "shared experts (\"n_shared_experts\") are not supported yet");
  DecoderMixture m;
  m.experts = small(c, "n_routed_experts", kMostExperts);
  m.chosen = small(c, "num_experts_per_tok", kMostExperts);
  m.width = c.integer("moe_intermediate_size", 1, kMostWidth);
  m.scores = DecoderMixture::Scores::sigmoid;
  m.choice_bias = true;
  m.renormalise = c.boolean("norm_topk_prob");
  if (c.has("routed_scaling_factor")) m.weight_scale = static_cast<float>(c.number("routed_scaling_factor"));
  m.groups = small(c, "n_group", kMostExperts);
  m.chosen_groups = small(c, "topk_group", kMostExperts);
  check_mixture(c, m);
  return m;
}

}  // namespace

DecoderConfig read_mimo_v2(const Config& c) {
  DecoderConfig d = read_common(c, "layernorm_epsilon", layer_count(c));
  std::array<DecoderAttention, 2> kinds{mimo_attention(c, ""), mimo_attention(c, "swa_")};
  set_ranks(c, kinds);
  const DecoderMixture mixture = mimo_mixture(c);
  const std::int64_t width = c.integer("intermediate_size", 1, kMostWidth);
  const auto sliding = c.integers("hybrid_layer_pattern", 0, 1);
  const auto sparse = c.integers("moe_layer_freq", 0, 1);
  require(c, sliding.size() == d.layers.size(), "\"hybrid_layer_pattern\" must have an entry a layer");
  require(c, sparse.size() == d.layers.size(), "\"moe_layer_freq\" must have an entry a layer");
  for (std::size_t i = 0; i < d.layers.size(); ++i) {
    d.layers[i] = {kinds[static_cast<std::size_t>(sliding[i])], width, {}};
    if (sparse[i] != 0) d.layers[i].mixture = mixture;
  }
  d.draft = DecoderDraft{{kinds[1], width, {}}, false};
  return d;
}

}  // namespace tessera::detail
