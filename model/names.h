#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "model/config.h"

namespace tessera {

/// Where a layer's tensors are: names of norms, prefixes of the rest.
struct LayerNames {
  std::string attention_norm;
  std::string attention;
  std::string mlp_norm;
  std::string mlp;
  std::string mixture;
};
[[nodiscard]] std::string embedding_name();
/// The embedding table's where they are tied.
[[nodiscard]] std::string head_name(const DecoderConfig& config);
[[nodiscard]] LayerNames layer_names(const DecoderConfig& config, std::size_t layer);

/// Where the tensors of layer `index` of multi-token prediction are, in a family that has such layers.
struct DraftNames {
  std::string embedding_norm;
  std::string hidden_norm;
  std::string join;  ///< a weight
  LayerNames layer;
  std::string norm;
  std::string all;                    ///< what all names of all such layers begin with
  std::vector<std::string> repeated;  ///< prefixes of tensors that are the decoder's own once more
};
[[nodiscard]] DraftNames draft_names(const DecoderConfig& config, int index);

/// "model.layers.N.", N as the checkpoint counts layers.
[[nodiscard]] std::string layer_prefix(std::size_t stored_layer);

/// Layers of the checkpoint, without drafts.
[[nodiscard]] std::size_t stored_layers(const DecoderConfig& config);

}  // namespace tessera
