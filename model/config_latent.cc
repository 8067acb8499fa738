// config.json of the families with latent attention: DeepSeek-V2 and -V3, LongCat-Flash.

#include <cmath>

#include "model/config_reader.h"
#include "model/rotary_config.h"

namespace tessera::detail {
namespace {

// Of rope_theta, where a file has none.
constexpr double kUsualBase = 1e4;
constexpr double kLongcatBase = 1e7;

DecoderAttention latent_attention(const Config& c, double default_base) {
  const int rank = small(c, "kv_lora_rank", kMostHeadDim);
  DecoderLatent latent;
  if (c.has("q_lora_rank")) latent.query_rank = c.integer("q_lora_rank", 1, kMostWidth);
  latent.key_dim = small(c, "qk_nope_head_dim", kMostHeadDim);
  latent.value_dim = small(c, "v_head_dim", kMostHeadDim);
  DecoderAttention a;
  a.heads = small(c, "num_attention_heads", kMostHeads);
  a.key_value_heads = 1;
  a.rotary_dim = small(c, "qk_rope_head_dim", kMostHeadDim);
  a.head_dim = a.rotary_dim + rank;
  a.value_dim = rank;
  require(c, a.rotary_dim % 2 == 0, "\"qk_rope_head_dim\" must be even");
  require(c, a.head_dim <= kMostHeadDim,
          "\"kv_lora_rank\" and \"qk_rope_head_dim\" are more than " + std::to_string(kMostHeadDim) + " together");
  a.layout = flag(c, "rope_interleave", true) ? RotaryLayout::interleaved : RotaryLayout::half_split;
  RotaryPositions rotary = read_rotary(c, rotary_base(c, default_base), a.rotary_dim);
  a.frequencies = std::move(rotary.frequencies);
  latent.turning_scale = static_cast<float>(rotary.amplitude * rotary.amplitude);
  a.scale = static_cast<float>(rotary.score_scale / std::sqrt(static_cast<double>(latent.key_dim + a.rotary_dim)));
  a.input_bias = a.output_bias = flag(c, "attention_bias", false);
  a.latent = latent;
  return a;
}

DecoderMixture deepseek_mixture(const Config& c) {
  DecoderMixture m;
  m.experts = small(c, "n_routed_experts", kMostExperts);
  m.chosen = small(c, "num_experts_per_tok", kMostExperts);
  m.width = c.integer("moe_intermediate_size", 1, kMostWidth);
  m.weight_scale = static_cast<float>(c.number("routed_scaling_factor"));
  if (c.has("n_shared_experts")) m.shared_width = m.width * c.integer("n_shared_experts", 0, kMostExperts);
  return m;
}

void set_groups(const Config& c, DecoderMixture& m) {
  m.groups = small(c, "n_group", kMostExperts);
  m.chosen_groups = small(c, "topk_group", kMostExperts);
}

// softmax scores, the largest of all experts or of the best groups.
DecoderMixture deepseek_v2_mixture(const Config& c) {
  require(c, text(c, "scoring_func", "softmax") == "softmax", "\"scoring_func\" must be softmax");
  require(c, !flag(c, "norm_topk_prob", false), "\"norm_topk_prob\" must be false");
  const std::string method = text(c, "topk_method", "greedy");
  const bool grouped = method == "group_limited_greedy";
  require(c, grouped || method == "greedy", "\"topk_method\" must be greedy or group_limited_greedy");
  DecoderMixture m = deepseek_mixture(c);
  m.group_score = DecoderMixture::GroupScore::best;
  if (grouped) set_groups(c, m);
  return m;
}

// sigmoid scores with a bias for the choice.
DecoderMixture deepseek_v3_mixture(const Config& c) {
  require(c, text(c, "scoring_func", "sigmoid") == "sigmoid", "\"scoring_func\" must be sigmoid");
  require(c, text(c, "topk_method", "noaux_tc") == "noaux_tc", "\"topk_method\" must be noaux_tc");
  DecoderMixture m = deepseek_mixture(c);
  m.scores = DecoderMixture::Scores::sigmoid;
  m.choice_bias = true;
  m.renormalise = c.boolean("norm_topk_prob");
  set_groups(c, m);
  return m;
}

DecoderConfig read_deepseek(const Config& c, const DecoderMixture& mixture) {
  check_mixture(c, mixture);
  require(c, !c.has("moe_layer_freq") || c.integer("moe_layer_freq", 1, kMostLayers) == 1,
          "\"moe_layer_freq\" must be 1");
  DecoderConfig d = read_common(c, "rms_norm_eps", layer_count(c));
  const DecoderAttention attention = latent_attention(c, kUsualBase);
  const std::int64_t width = c.integer("intermediate_size", 1, kMostWidth);
  const auto dense = static_cast<std::size_t>(c.integer("first_k_dense_replace", 0, kMostLayers));
  for (std::size_t i = 0; i < d.layers.size(); ++i) {
    d.layers[i] = {attention, width, {}};
    if (i >= dense) d.layers[i].mixture = mixture;
  }
  return d;
}

// Queries and the latent grow with what they were narrowed by, sqrt(hidden / rank). A factor of all queries is one of
// their scores.
DecoderAttention longcat_attention(const Config& c) {
  DecoderAttention a = latent_attention(c, kLongcatBase);
  require(c, a.latent->query_rank > 0, "\"q_lora_rank\" is missing");
  const auto hidden = static_cast<double>(c.integer("hidden_size", 1, kMostWidth));
  const auto growth = [&](const char* key, double rank) { return flag(c, key, true) ? std::sqrt(hidden / rank) : 1.0; };
  const auto query_rank = static_cast<double>(a.latent->query_rank);
  a.scale = static_cast<float>(a.scale * growth("mla_scale_q_lora", query_rank));
  a.latent->scale = static_cast<float>(growth("mla_scale_kv_lora", a.value_dim));
  return a;
}

DecoderMixture longcat_mixture(const Config& c) {
  require(c, !flag(c, "router_bias", false), "\"router_bias\" is not supported");
  require(c, text(c, "zero_expert_type", "identity") == "identity", "\"zero_expert_type\" must be identity");
  DecoderMixture m;
  m.identities = static_cast<int>(c.integer("zero_expert_num", 0, kMostExperts));
  m.experts = small(c, "n_routed_experts", kMostExperts) + m.identities;
  m.chosen = small(c, "moe_topk", kMostExperts);
  m.width = c.integer("expert_ffn_hidden_size", 1, kMostWidth);
  m.weight_scale = static_cast<float>(c.number("routed_scaling_factor"));
  m.choice_bias = true;
  check_mixture(c, m);
  return m;
}

}  // namespace

DecoderConfig read_longcat_flash(const Config& c) {
  DecoderConfig d = read_common(c, "rms_norm_eps", 2 * c.integer("num_layers", 1, kMostLayers));
  const DecoderAttention attention = longcat_attention(c);
  const DecoderMixture mixture = longcat_mixture(c);
  const std::int64_t width = c.integer("ffn_hidden_size", 1, kMostWidth);
  d.paired = true;
  for (std::size_t i = 0; i < d.layers.size(); ++i) {
    const bool first = i % 2 == 0;
    d.layers[i] = {attention, width, first ? std::optional(mixture) : std::nullopt, first};
  }
  d.draft = DecoderDraft{{attention, width, {}}, true};
  return d;
}

DecoderConfig read_deepseek_v2(const Config& c) { return read_deepseek(c, deepseek_v2_mixture(c)); }

DecoderConfig read_deepseek_v3(const Config& c) {
  DecoderConfig d = read_deepseek(c, deepseek_v3_mixture(c));
  d.extra_layers = c.has("num_nextn_predict_layers") ? c.integer("num_nextn_predict_layers", 0, kMostLayers) : 1;
  d.draft = DecoderDraft{{d.layers.front().attention, 0, deepseek_v3_mixture(c)}, true};
  return d;
}

}  // namespace tessera::detail
