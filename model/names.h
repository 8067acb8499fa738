#pragma once

#include <cstddef>
#include <string>

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
[[nodiscard]] LayerNames layer_names(const DecoderConfig& config, std::size_t layer);

/// "model.layers.N.", N as the checkpoint counts layers.
[[nodiscard]] std::string layer_prefix(std::size_t stored_layer);

/// Layers of the checkpoint, without drafts.
[[nodiscard]] std::size_t stored_layers(const DecoderConfig& config);

}  // namespace tessera
