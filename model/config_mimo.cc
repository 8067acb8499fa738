// config.json of MiMo-V2, as published and as transformers saves it.

#include <array>
#include <numeric>

#include "model/config_reader.h"

namespace tessera::detail {
namespace {

// The published files name their sizes twice, plain and with "swa_" for layers that slide. Files that transformers 5
// saved have other keys and one size for both kinds: of its model layers that slide have twice the key/value heads and
// sinks, the others no sinks.
bool is_published(const Config& c) { return c.has("hybrid_layer_pattern"); }

void set_sizes(const Config& c, const std::string& prefix, int share, DecoderAttention& a) {
  a.heads = small(c, prefix + "num_attention_heads", kMostHeads);
  a.key_value_heads = small(c, prefix + "num_key_value_heads", kMostHeads) * share;
  a.head_dim = small(c, prefix + "head_dim", kMostHeadDim);
  a.value_dim = small(c, prefix + "v_head_dim", kMostHeadDim);
  check_heads(c, a);
  a.input_bias = c.boolean("attention_bias");
  if (c.has("attention_value_scale")) a.value_scale = static_cast<float>(c.number("attention_value_scale"));
}

int turning(const DecoderAttention& a, double factor) { return static_cast<int>(a.head_dim * factor); }

DecoderAttention published_attention(const Config& c, bool slides) {
  const std::string prefix = slides ? "swa_" : "";
  DecoderAttention a;
  set_sizes(c, prefix, 1, a);
  set_rotary(c, c.number(prefix + "rope_theta"), turning(a, c.number("partial_rotary_factor")), a);
  a.sinks = c.boolean(slides ? "add_swa_attention_sink_bias" : "add_full_attention_sink_bias");
  // Unlike other families' windows this one counts the positions before the query (SGLang, transformers 5.23).
  if (slides) a.left = c.integer("sliding_window_size", 1, kMostPositions);
  return a;
}

DecoderAttention saved_attention(const Config& c, bool slides) {
  const std::string rope = std::string("rope_parameters.") + (slides ? "sliding_attention." : "full_attention.");
  require(c, text(c, rope + "rope_type", "default") == "default", "\"" + rope + "rope_type\" must be default");
  DecoderAttention a;
  set_sizes(c, "", slides ? 2 : 1, a);
  const std::string factor = rope + "partial_rotary_factor";
  set_rotary(c, c.number(rope + "rope_theta"), turning(a, c.has(factor) ? c.number(factor) : 0.334), a);
  a.sinks = slides;
  // Here the window counts the query too.
  if (slides) a.left = c.integer("sliding_window", 1, kMostPositions) - 1;
  return a;
}

std::array<DecoderAttention, 2> attentions(const Config& c) {
  const auto read = is_published(c) ? published_attention : saved_attention;
  return {read(c, false), read(c, true)};
}

// Of each layer, whether it is of the second kind: a number, or the second of two names.
std::vector<bool> layers_of(const Config& c, std::size_t count, const char* published, const char* saved,
                            const std::array<std::string, 2>& kinds) {
  std::vector<bool> second;
  if (is_published(c)) {
    for (const std::int64_t kind : c.integers(published, 0, 1)) second.push_back(kind == 1);
  } else {
    for (const std::string& kind : c.strings(saved)) {
      require(c, kind == kinds[0] || kind == kinds[1],
              std::string("\"") + saved + "\" names \"" + kind + "\"; " + kinds[0] + " and " + kinds[1] + " are known");
      second.push_back(kind == kinds[1]);
    }
  }
  const std::string key = is_published(c) ? published : saved;
  require(c, second.size() == count, "\"" + key + "\" must have an entry a layer");
  return second;
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
  require(c, text(c, "scoring_func", "sigmoid") == "sigmoid", "\"scoring_func\" must be sigmoid");
  require(c, text(c, "topk_method", "noaux_tc") == "noaux_tc", "\"topk_method\" must be noaux_tc");
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
  DecoderConfig d = read_common(c, is_published(c) ? "layernorm_epsilon" : "rms_norm_eps", layer_count(c));
  std::array<DecoderAttention, 2> kinds = attentions(c);
  set_ranks(c, kinds);
  const DecoderMixture mixture = mimo_mixture(c);
  const std::int64_t width = c.integer("intermediate_size", 1, kMostWidth);
  const std::vector<bool> slides =
      layers_of(c, d.layers.size(), "hybrid_layer_pattern", "layer_types", {"full_attention", "sliding_attention"});
  const std::vector<bool> sparse =
      layers_of(c, d.layers.size(), "moe_layer_freq", "mlp_layer_types", {"dense", "sparse"});
  for (std::size_t i = 0; i < d.layers.size(); ++i) {
    d.layers[i] = {kinds[slides[i] ? 1 : 0], width, {}};
    if (sparse[i]) d.layers[i].mixture = mixture;
  }
  d.draft = DecoderDraft{{kinds[1], width, {}}, false};
  return d;
}

}  // namespace tessera::detail
