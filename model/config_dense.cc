// config.json of Llama, Qwen2, Qwen3 and Qwen3-MoE.

#include "model/config_reader.h"
#include "model/rotary_config.h"

namespace tessera::detail {
namespace {

int head_dim(const Config& c, int heads) {
  if (c.has("head_dim")) return small(c, "head_dim", kMostHeadDim);
  const std::int64_t hidden = c.integer("hidden_size", 1, kMostWidth);
  require(c, hidden % heads == 0,
          "\"hidden_size\" is no multiple of \"num_attention_heads\", and there is no head_dim");
  return static_cast<int>(hidden / heads);
}

DecoderAttention read_attention(const Config& c) {
  DecoderAttention a;
  a.heads = small(c, "num_attention_heads", kMostHeads);
  a.key_value_heads = c.has("num_key_value_heads") ? small(c, "num_key_value_heads", kMostHeads) : a.heads;
  check_heads(c, a);
  a.head_dim = a.value_dim = head_dim(c, a.heads);
  set_rotary(c, rotary_base(c), a.head_dim, a);
  return a;
}

// A window of n positions is the query's own and n - 1 before it.
std::int64_t window_reach(const Config& c) { return c.integer("sliding_window", 1, kMostPositions) - 1; }

// The dense families: layers of one kind.
DecoderConfig read_dense(const Config& c, const DecoderAttention& attention) {
  DecoderConfig d = read_common(c, "rms_norm_eps", layer_count(c));
  const std::int64_t width = c.integer("intermediate_size", 1, kMostWidth);
  for (DecoderLayerConfig& layer : d.layers) layer = {attention, width, {}};
  return d;
}

bool is_sliding(const Config& c, const std::string& kind) {
  if (kind == "sliding_attention") return true;
  if (kind == "full_attention") return false;
  refuse(c, "\"layer_types\" names \"" + kind + "\"; full_attention and sliding_attention are known");
}

// Which layers of a Qwen look through a window: those named in layer_types, or all from max_window_layers on.
void set_qwen_windows(const Config& c, DecoderConfig& d) {
  if (!flag(c, "use_sliding_window", false) || !c.has("sliding_window")) return;
  const std::int64_t reach = window_reach(c);
  const auto layers = static_cast<std::int64_t>(d.layers.size());
  const bool named = c.has("layer_types");
  const std::vector<std::string> kinds = named ? c.strings("layer_types") : std::vector<std::string>{};
  require(c, !named || kinds.size() == d.layers.size(), "\"layer_types\" must name every layer");
  const std::int64_t first = named ? 0 : c.integer("max_window_layers", 0, kMostLayers);
  for (std::int64_t i = 0; i < layers; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (named ? is_sliding(c, kinds[at]) : i >= first) d.layers[at].attention.left = reach;
  }
}

DecoderAttention qwen3_attention(const Config& c) {
  require(c, c.has("head_dim"), "\"head_dim\" is missing");
  DecoderAttention a = read_attention(c);
  a.input_bias = a.output_bias = flag(c, "attention_bias", false);
  a.head_norm = true;
  return a;
}

}  // namespace

DecoderConfig read_llama(const Config& c) {
  DecoderAttention a = read_attention(c);
  a.input_bias = a.output_bias = flag(c, "attention_bias", false);
  DecoderConfig d = read_dense(c, a);
  d.mlp_bias = flag(c, "mlp_bias", false);
  return d;
}

DecoderConfig read_qwen2(const Config& c) {
  DecoderAttention a = read_attention(c);
  a.input_bias = true;
  DecoderConfig d = read_dense(c, a);
  set_qwen_windows(c, d);
  return d;
}

DecoderConfig read_qwen3(const Config& c) {
  DecoderConfig d = read_dense(c, qwen3_attention(c));
  set_qwen_windows(c, d);
  return d;
}

DecoderConfig read_qwen3_moe(const Config& c) {
  DecoderConfig d = read_dense(c, qwen3_attention(c));
  DecoderMixture m;
  m.experts = small(c, c.has("num_experts") ? "num_experts" : "num_local_experts", kMostExperts);
  m.chosen = small(c, "num_experts_per_tok", kMostExperts);
  m.width = c.integer("moe_intermediate_size", 1, kMostWidth);
  m.renormalise = c.boolean("norm_topk_prob");
  check_mixture(c, m);
  const std::int64_t step = c.integer("decoder_sparse_step", 1, kMostLayers);
  const auto layers = static_cast<std::int64_t>(d.layers.size());
  std::vector<bool> is_dense(d.layers.size());
  if (c.has("mlp_only_layers")) {
    for (const std::int64_t i : c.integers("mlp_only_layers", 0, layers - 1))
      is_dense[static_cast<std::size_t>(i)] = true;
  }
  const bool windowed = flag(c, "use_sliding_window", false) && c.has("sliding_window");
  for (std::int64_t i = 0; i < layers; ++i) {
    DecoderLayerConfig& layer = d.layers[static_cast<std::size_t>(i)];
    if (!is_dense[static_cast<std::size_t>(i)] && (i + 1) % step == 0) layer.mixture = m;
    if (windowed) layer.attention.left = window_reach(c);
  }
  return d;
}

}  // namespace tessera::detail
