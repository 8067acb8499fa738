#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/checkpoint/checkpoint.h"
#include "kernels/activation.h"
#include "kernels/rotary.h"
#include "kernels/routing.h"

namespace tessera {

/// Latent attention (MLA; DeepSeek-V2, 2024): all heads read one cached latent, which a head's matrices widen to its
/// keys and values. Beside it lies one key that turns with its position, which heads share too.
struct DecoderLatent {
  std::int64_t query_rank = 0;  ///< of the queries' own latent; 0: there is none
  int key_dim = 0;              ///< of a head's keys from the latent, and of the queries that meet them
  int value_dim = 0;            ///< of a head's values from the latent
  float scale = 1.0F;           ///< the normed latent is multiplied by it (LongCat-Flash)
  float turning_scale = 1.0F;   ///< the turning part of queries is multiplied by it (YaRN)
};

/// Attention of one layer, as its caches see it.
struct DecoderAttention {
  int heads = 0;
  int key_value_heads = 0;
  int head_dim = 0;        ///< of queries and keys
  int value_dim = 0;       ///< of values
  std::int64_t left = -1;  ///< positions before a query that it sees; -1: all
  int rotary_dim = 0;      ///< the first this many elements of a head turn
  RotaryLayout layout = RotaryLayout::half_split;
  std::vector<float> frequencies;  ///< [rotary_dim / 2], scaling of long contexts included
  float scale = 1.0F;              ///< of scores
  bool input_bias = false;         ///< q, k and v have a bias; with a latent, what narrows has one
  bool output_bias = false;
  bool head_norm = false;    ///< RMS norm of each query and key head, before they turn (Qwen3)
  bool sinks = false;        ///< a sink logit a head
  float value_scale = 1.0F;  ///< values are multiplied by it before they are cached (MiMo-V2)
  /// More than 0: q, k and v are one tensor, qkv_proj, made of the pieces [q | k | v] of tensor-parallel ranks. Their
  /// number divides this, and is the largest that the tensor's scales agree with (MiMo-V2.5, as SGLang loads it).
  int fused_ranks = 0;
  /// Then there is one key/value head, head_dim is rotary_dim and the latent's size, value_dim the latent's size.
  std::optional<DecoderLatent> latent;
};

/// Routed experts of one layer, gated MLPs all of one width. `experts` are those that the router knows.
struct DecoderMixture : Routing {
  enum class Scores : std::uint8_t { softmax, sigmoid };
  int identities = 0;  ///< the last so many experts give back what they get (LongCat-Flash's zero experts)
  std::int64_t width = 0;
  Scores scores = Scores::softmax;
  bool choice_bias = false;       ///< a bias that counts for the choice and not for the weight (DeepSeek-V3)
  std::int64_t shared_width = 0;  ///< of the MLP that all tokens take as well; 0: there is none
};

struct DecoderLayerConfig {
  DecoderAttention attention;
  std::int64_t width = 0;                 ///< of the dense MLP; unused with a mixture
  std::optional<DecoderMixture> mixture;  ///< instead of a dense MLP
  /// The mixture stands beside the dense MLP: it reads what the MLP reads, and is added after the next layer
  /// (shortcut-connected experts, LongCat-Flash).
  bool shortcut = false;
};

/// Layers of multi-token prediction, as a family has them; how many there are, only the tensors say (see DraftModel).
struct DecoderDraft {
  DecoderLayerConfig layer;
  /// One layer drafts any number of ids: it reads the decoder's rows behind the final norm, and then its own rows
  /// behind its own norm (DeepSeek-V3, LongCat-Flash). Else each layer drafts one id of the residual stream (MiMo-V2).
  bool chained = false;
};

/// A decoder-only transformer, read from a public config.json.
struct DecoderConfig {
  std::string family;  ///< model_type
  std::int64_t vocabulary = 0;
  std::int64_t hidden = 0;
  float epsilon = 0.0F;  ///< of all RMS norms
  Activation activation = Activation::silu;
  bool mlp_bias = false;
  bool tied = false;            ///< the head is the embedding table
  std::int64_t positions = 0;   ///< that the model was made for (max_position_embeddings)
  std::int64_t scale_rows = 0;  ///< blocks that share a scale in weights stored as FP8; 0: there are none
  std::int64_t scale_columns = 0;
  std::int64_t extra_layers = 0;  ///< of multi-token prediction behind the last one (DeepSeek-V3)
  bool paired = false;            ///< a layer of the checkpoint is two of these (LongCat-Flash)
  std::vector<DecoderLayerConfig> layers;
  std::optional<DecoderDraft> draft;  ///< nothing where the family has none
};

/// Weights of experts that a step does not read: of each mixture, those a token does not choose.
[[nodiscard]] std::int64_t idle_expert_parameters(const DecoderConfig& config);

/// True for a model_type that read_decoder_config knows.
[[nodiscard]] bool is_decoder_type(std::string_view model_type);

/// `config` of model_type llama, qwen2, qwen3, qwen3_moe, mimo_v2_flash, mimo_v2, deepseek_v2, deepseek_v3 or
/// longcat_flash, keys as published (and as transformers 5 writes them, but for MiMo). A key may be absent only where
/// transformers 5.23 has a default for that family. Throws CheckpointError that names the file and the key, for another
/// model_type or a variant that is not supported (weights quantised otherwise than as FP8 and MXFP4, other rotary
/// scalings than linear, llama3 and yarn) too.
[[nodiscard]] DecoderConfig read_decoder_config(const Config& config);

}  // namespace tessera
