#pragma once

#include <optional>
#include <span>
#include <variant>

#include "model/attention.h"
#include "model/feed_forward.h"
#include "model/latent_attention.h"
#include "model/mixture.h"
#include "model/names.h"

namespace tessera {

/// A pre-norm layer: attention, then a gated MLP, routed experts, or both.
class DecoderLayer {
 public:
  /// Tensors under `names`; of `decoder` only what all layers share. Throws CheckpointError.
  DecoderLayer(Context& context, Checkpoint& checkpoint, const LayerNames& names, const DecoderLayerConfig& config,
               const DecoderConfig& decoder);

  /// x [rows, hidden] += what the layer makes of it; rows are the next positions of the sequences in `parts`, and
  /// `index` is the number that caches go by. Returns what the experts have yet to read where they come a layer later
  /// (DecoderLayerConfig::shortcut), else nothing.
  [[nodiscard]] Tensor forward(Context& context, std::span<const BatchPart> parts, std::size_t index, Matrix x) const;
  /// x += the experts of what forward() returned.
  void add_experts(Context& context, ConstMatrix normed, Matrix x) const;
  /// Only what later rows will look at: the keys and values of x.
  void remember(Context& context, std::span<const BatchPart> parts, std::size_t index, ConstMatrix x) const;

 private:
  using Attention = std::variant<DecoderAttentionLayer, LatentAttentionLayer>;
  static Attention load_attention(Context& context, Checkpoint& checkpoint, const std::string& prefix,
                                  const DecoderAttention& attention, const DecoderConfig& decoder);

  NormLayer attention_norm_;
  Attention attention_;
  NormLayer mlp_norm_;
  std::optional<GatedMlp> mlp_;
  std::optional<MixtureLayer> mixture_;
  bool later_;
};

}  // namespace tessera
