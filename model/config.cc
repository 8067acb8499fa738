#include "model/config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "model/config_reader.h"
#include "model/rotary_config.h"

namespace tessera {
namespace detail {

void refuse(const Config& c, const std::string& what) { throw CheckpointError(c.name() + ": " + what); }

void require(const Config& c, bool holds, const std::string& what) {
  if (!holds) refuse(c, what);
}

int small(const Config& c, const std::string& key, int most) { return static_cast<int>(c.integer(key, 1, most)); }

bool flag(const Config& c, const std::string& key, bool otherwise) { return c.has(key) ? c.boolean(key) : otherwise; }

std::string text(const Config& c, const std::string& key, const std::string& otherwise) {
  return c.has(key) ? c.string(key) : otherwise;
}

namespace {

// E4M3 with a scale a block, that MXFP4 of experts may go with; what is stored how, the tensors say.
void read_quantization(const Config& c, DecoderConfig& d) {
  const std::string section = "quantization_config";
  if (!c.has(section)) return;
  const std::string method = text(c, section + ".quant_method", "unnamed");
  require(c, method == "fp8" && text(c, section + ".fmt", "e4m3") == "e4m3",
          "weights quantised by \"" + method + "\" are not supported, fp8 in e4m3 is; take the checkpoint in BF16");
  const auto block = c.integers(section + ".weight_block_size", 1, kMostWidth);
  require(c, block.size() == 2, "\"weight_block_size\" must have two entries");
  d.scale_rows = block[0];
  d.scale_columns = block[1];
}

}  // namespace

std::int64_t layer_count(const Config& c) { return c.integer("num_hidden_layers", 1, kMostLayers); }

DecoderConfig read_common(const Config& c, const std::string& epsilon_key, std::int64_t layers) {
  DecoderConfig d;
  read_quantization(c, d);
  d.family = c.string("model_type");
  d.vocabulary = c.integer("vocab_size", 1, INT32_MAX);
  d.hidden = c.integer("hidden_size", 1, kMostWidth);
  d.epsilon = static_cast<float>(c.number(epsilon_key));
  d.activation = activation_from_name(text(c, "hidden_act", "silu"), c.name());
  d.tied = flag(c, "tie_word_embeddings", false);
  d.positions = c.integer("max_position_embeddings", 1, kMostPositions);
  d.layers.resize(static_cast<std::size_t>(layers));
  return d;
}

void check_heads(const Config& c, const DecoderAttention& a) {
  require(c, a.heads % a.key_value_heads == 0, "query heads are no multiple of key/value heads");
}

void set_rotary(const Config& c, double theta, int dim, DecoderAttention& a) {
  require(c, dim > 0 && dim % 2 == 0 && dim <= a.head_dim,
          "rotary positions turn " + std::to_string(dim) + " of " + std::to_string(a.head_dim) +
              " elements of a head: must be even and not more");
  RotaryPositions rotary = read_rotary(c, theta, dim);
  a.rotary_dim = dim;
  a.frequencies = std::move(rotary.frequencies);
  // What stretches all of a query and all of a key stretches their product twice.
  require(c, rotary.amplitude == 1.0 || dim == a.head_dim,
          "rotary scaling \"yarn\" is not supported where a part of a head turns");
  a.scale = static_cast<float>(rotary.amplitude * rotary.amplitude / std::sqrt(static_cast<double>(a.head_dim)));
}

void check_mixture(const Config& c, const DecoderMixture& m) {
  require(c, m.chosen <= m.experts, "more experts a token than there are experts");
  require(c, m.experts % m.groups == 0 && m.chosen_groups <= m.groups, "experts do not fall into \"n_group\" groups");
  const int size = m.experts / m.groups;
  const int judged = m.group_score == DecoderMixture::GroupScore::two_best ? 2 : 1;
  require(c, m.groups == 1 || (size >= judged && size * m.chosen_groups >= m.chosen),
          "groups of experts are too small for \"num_experts_per_tok\"");
}

}  // namespace detail

namespace {

struct Family {
  const char* name;
  DecoderConfig (*read)(const Config&);
};

constexpr std::array kFamilies{Family{"llama", detail::read_llama},
                               Family{"qwen2", detail::read_qwen2},
                               Family{"qwen3", detail::read_qwen3},
                               Family{"qwen3_moe", detail::read_qwen3_moe},
                               Family{"mimo_v2_flash", detail::read_mimo_v2},
                               Family{"mimo_v2", detail::read_mimo_v2},
                               Family{"deepseek_v2", detail::read_deepseek_v2},
                               Family{"deepseek_v3", detail::read_deepseek_v3},
                               Family{"longcat_flash", detail::read_longcat_flash}};

std::string family_names() {
  std::string names;
  for (const Family& family : kFamilies) names += (names.empty() ? "" : ", ") + std::string(family.name);
  return names;
}

}  // namespace

std::int64_t idle_expert_parameters(const DecoderConfig& config) {
  std::int64_t idle = 0;
  for (const DecoderLayerConfig& layer : config.layers) {
    if (!layer.mixture) continue;
    const DecoderMixture& m = *layer.mixture;
    idle += std::max(m.experts - m.identities - m.chosen, 0) * 3 * config.hidden * m.width;
  }
  return idle;
}

bool is_decoder_type(std::string_view model_type) {
  return std::any_of(kFamilies.begin(), kFamilies.end(), [&](const Family& f) { return model_type == f.name; });
}

DecoderConfig read_decoder_config(const Config& config) {
  const std::string type = config.string("model_type");
  for (const Family& family : kFamilies) {
    if (type == family.name) return family.read(config);
  }
  detail::refuse(config,
                 "language models of model_type \"" + type + "\" are not supported; these are: " + family_names());
}

}  // namespace tessera
