#include "model/config.h"

#include <algorithm>
#include <array>
#include <functional>

#include "model/rotary_config.h"

namespace tessera {
namespace {

constexpr std::int64_t kMostLayers = 4096;
constexpr std::int64_t kMostWidth = 1 << 20;
constexpr std::int64_t kMostHeads = 4096;
constexpr std::int64_t kMostHeadDim = 1024;
constexpr std::int64_t kMostExperts = 65536;
constexpr std::int64_t kMostPositions = std::int64_t{1} << 40;

[[noreturn]] void refuse(const Config& c, const std::string& what) { throw CheckpointError(c.name() + ": " + what); }

int small(const Config& c, const std::string& key, std::int64_t most) {
  return static_cast<int>(c.integer(key, 1, most));
}

bool flag(const Config& c, const std::string& key, bool otherwise) { return c.has(key) ? c.boolean(key) : otherwise; }

void require(const Config& c, bool holds, const std::string& what) {
  if (!holds) refuse(c, what);
}

void refuse_quantised(const Config& c) {
  require(c, !c.has("quantization_config"),
          "quantised weights (\"quantization_config\") are not supported yet; take the checkpoint in BF16");
}

int head_dim(const Config& c, int heads) {
  if (c.has("head_dim")) return small(c, "head_dim", kMostHeadDim);
  const std::int64_t hidden = c.integer("hidden_size", 1, kMostWidth);
  require(c, hidden % heads == 0,
          "\"hidden_size\" is no multiple of \"num_attention_heads\", and there is no head_dim");
  return static_cast<int>(hidden / heads);
}

void check_attention(const Config& c, const DecoderAttention& a) {
  require(c, a.heads % a.key_value_heads == 0, "query heads are no multiple of key/value heads");
  require(c, a.rotary_dim > 0 && a.rotary_dim % 2 == 0 && a.rotary_dim <= a.head_dim,
          "rotary positions turn " + std::to_string(a.rotary_dim) + " of " + std::to_string(a.head_dim) +
              " elements of a head: must be even and not more");
}

// What every family has: layers with nothing in them but the attention of the whole context.
DecoderConfig read_common(const Config& c, const std::string& epsilon_key) {
  refuse_quantised(c);
  DecoderConfig d;
  d.family = c.string("model_type");
  d.vocabulary = c.integer("vocab_size", 1, INT32_MAX);
  d.hidden = c.integer("hidden_size", 1, kMostWidth);
  d.epsilon = static_cast<float>(c.number(epsilon_key));
  d.activation = activation_from_name(c.string("hidden_act"), c.name());
  d.tied = flag(c, "tie_word_embeddings", false);
  d.positions = c.integer("max_position_embeddings", 1, kMostPositions);
  d.layers.resize(static_cast<std::size_t>(c.integer("num_hidden_layers", 1, kMostLayers)));
  return d;
}

DecoderAttention read_attention(const Config& c) {
  DecoderAttention a;
  a.heads = small(c, "num_attention_heads", kMostHeads);
  a.key_value_heads = c.has("num_key_value_heads") ? small(c, "num_key_value_heads", kMostHeads) : a.heads;
  a.head_dim = a.value_dim = a.rotary_dim = head_dim(c, a.heads);
  check_attention(c, a);
  a.frequencies = scaled_frequencies(c, rotary_base(c), a.rotary_dim);
  return a;
}

// A window of n positions is the query's own and n - 1 before it.
std::int64_t window_reach(const Config& c) { return c.integer("sliding_window", 1, kMostPositions) - 1; }

// The dense families: layers of one kind.
DecoderConfig read_dense(const Config& c, const DecoderAttention& attention) {
  DecoderConfig d = read_common(c, "rms_norm_eps");
  const std::int64_t width = c.integer("intermediate_size", 1, kMostWidth);
  for (DecoderLayerConfig& layer : d.layers) layer = {attention, width, {}};
  return d;
}

DecoderConfig read_llama(const Config& c) {
  DecoderAttention a = read_attention(c);
  a.input_bias = a.output_bias = flag(c, "attention_bias", false);
  DecoderConfig d = read_dense(c, a);
  d.mlp_bias = flag(c, "mlp_bias", false);
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

DecoderConfig read_qwen2(const Config& c) {
  DecoderAttention a = read_attention(c);
  a.input_bias = true;
  DecoderConfig d = read_dense(c, a);
  set_qwen_windows(c, d);
  return d;
}

DecoderAttention qwen3_attention(const Config& c) {
  require(c, c.has("head_dim"), "\"head_dim\" is missing");
  DecoderAttention a = read_attention(c);
  a.input_bias = a.output_bias = flag(c, "attention_bias", false);
  a.head_norm = true;
  return a;
}

DecoderConfig read_qwen3(const Config& c) {
  DecoderConfig d = read_dense(c, qwen3_attention(c));
  set_qwen_windows(c, d);
  return d;
}

void check_mixture(const Config& c, const DecoderMixture& m) {
  require(c, m.chosen <= m.experts, "\"num_experts_per_tok\" exceeds the number of experts");
  require(c, m.experts % m.groups == 0 && m.chosen_groups <= m.groups, "experts do not fall into \"n_group\" groups");
  // A group is judged by its two best experts.
  require(c, m.groups == 1 || (m.experts / m.groups >= 2 && m.experts / m.groups * m.chosen_groups >= m.chosen),
          "groups of experts are too small for \"num_experts_per_tok\"");
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

// MiMo-V2 has two kinds of layers with sizes and rotary bases of their own; `prefix` is "" or "swa_".
DecoderAttention mimo_attention(const Config& c, const std::string& prefix) {
  const bool sliding = !prefix.empty();
  DecoderAttention a;
  a.heads = small(c, prefix + "num_attention_heads", kMostHeads);
  a.key_value_heads = small(c, prefix + "num_key_value_heads", kMostHeads);
  a.head_dim = small(c, prefix + "head_dim", kMostHeadDim);
  a.value_dim = small(c, prefix + "v_head_dim", kMostHeadDim);
  a.rotary_dim = static_cast<int>(a.head_dim * c.number("partial_rotary_factor"));
  check_attention(c, a);
  a.frequencies = scaled_frequencies(c, c.number(prefix + "rope_theta"), a.rotary_dim);
  a.input_bias = c.boolean("attention_bias");
  a.sinks = c.boolean(sliding ? "add_swa_attention_sink_bias" : "add_full_attention_sink_bias");
  if (c.has("attention_value_scale")) a.value_scale = static_cast<float>(c.number("attention_value_scale"));
  // Unlike other families' windows this one counts the positions before the query (SGLang, transformers 5.23).
  if (sliding) a.left = c.integer("sliding_window_size", 1, kMostPositions);
  return a;
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

DecoderConfig read_mimo_v2(const Config& c) {
  DecoderConfig d = read_common(c, "layernorm_epsilon");
  const std::array<DecoderAttention, 2> kinds{mimo_attention(c, ""), mimo_attention(c, "swa_")};
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
  d.draft = DecoderLayerConfig{kinds[1], width, {}};
  return d;
}

struct Family {
  const char* name;
  DecoderConfig (*read)(const Config&);
};

constexpr std::array kFamilies{Family{"llama", read_llama}, Family{"qwen2", read_qwen2}, Family{"qwen3", read_qwen3},
                               Family{"qwen3_moe", read_qwen3_moe}, Family{"mimo_v2_flash", read_mimo_v2}};

std::string family_names() {
  std::string names;
  for (const Family& family : kFamilies) names += (names.empty() ? "" : ", ") + std::string(family.name);
  return names;
}

}  // namespace

bool is_decoder_type(std::string_view model_type) {
  return std::any_of(kFamilies.begin(), kFamilies.end(), [&](const Family& f) { return model_type == f.name; });
}

DecoderConfig read_decoder_config(const Config& config) {
  const std::string type = config.string("model_type");
  for (const Family& family : kFamilies) {
    if (type == family.name) return family.read(config);
  }
  refuse(config, "language models of model_type \"" + type + "\" are not supported; these are: " + family_names());
}

}  // namespace tessera
