#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/checkpoint/checkpoint.h"
#include "kernels/activation.h"

namespace tessera {

/// Attention of one layer, as its weights and caches see it.
struct DecoderAttention {
  int heads = 0;
  int key_value_heads = 0;
  int head_dim = 0;                ///< of queries and keys
  int value_dim = 0;               ///< of values
  std::int64_t left = -1;          ///< positions before a query that it sees; -1: all
  int rotary_dim = 0;              ///< the first this many elements of a head turn, pairs (j, j + rotary_dim / 2)
  std::vector<float> frequencies;  ///< [rotary_dim / 2], scaling of long contexts included
  bool input_bias = false;         ///< q, k and v have a bias
  bool output_bias = false;
  bool head_norm = false;    ///< RMS norm of each query and key head, before they turn (Qwen3)
  bool sinks = false;        ///< a sink logit a head
  float value_scale = 1.0F;  ///< values are multiplied by it before they are cached (MiMo-V2)
};

/// Routed experts of one layer, gated MLPs all of one width.
struct DecoderMixture {
  enum class Scores : std::uint8_t { softmax, sigmoid };
  int experts = 0;
  int chosen = 0;  ///< experts a token
  std::int64_t width = 0;
  Scores scores = Scores::softmax;
  bool choice_bias = false;  ///< a bias that counts for the choice and not for the weight (DeepSeek-V3)
  bool renormalise = false;  ///< weights of the chosen are divided by their sum
  float weight_scale = 1.0F;
  int groups = 1;  ///< neighbouring experts; only the best `chosen_groups` groups are eligible
  int chosen_groups = 1;
};

struct DecoderLayerConfig {
  DecoderAttention attention;
  std::int64_t width = 0;                 ///< of the dense MLP; unused with a mixture
  std::optional<DecoderMixture> mixture;  ///< instead of a dense MLP
};

/// A decoder-only transformer, read from a public config.json.
struct DecoderConfig {
  std::string family;  ///< model_type
  std::int64_t vocabulary = 0;
  std::int64_t hidden = 0;
  float epsilon = 0.0F;  ///< of all RMS norms
  Activation activation = Activation::silu;
  bool mlp_bias = false;
  bool tied = false;           ///< the head is the embedding table
  std::int64_t positions = 0;  ///< that the model was made for (max_position_embeddings)
  std::vector<DecoderLayerConfig> layers;
  /// What a layer of multi-token prediction is in this family; how many there are, only the tensors say.
  std::optional<DecoderLayerConfig> draft;
};

/// True for a model_type that read_decoder_config knows.
[[nodiscard]] bool is_decoder_type(std::string_view model_type);

/// `config` of model_type llama, qwen2, qwen3, qwen3_moe or mimo_v2_flash, keys as published (and as transformers 5
/// writes them for the first four). A key may be absent only where transformers 5.23 has a default for that family.
/// Throws CheckpointError that names the file and the key, for another model_type or a variant that is not supported
/// (quantised weights, shared experts, other rotary scalings than linear and llama3) too.
[[nodiscard]] DecoderConfig read_decoder_config(const Config& config);

}  // namespace tessera
