#include "model/names.h"

namespace tessera {

std::string layer_prefix(std::size_t stored_layer) { return "model.layers." + std::to_string(stored_layer) + "."; }

std::size_t stored_layers(const DecoderConfig& config) {
  return config.paired ? config.layers.size() / 2 : config.layers.size();
}

LayerNames layer_names(const DecoderConfig& config, std::size_t layer) {
  const std::string prefix = layer_prefix(config.paired ? layer / 2 : layer);
  const std::string half = config.paired ? "." + std::to_string(layer % 2) : "";
  return {prefix + "input_layernorm" + half, prefix + "self_attn" + half + ".",
          prefix + "post_attention_layernorm" + half, prefix + (config.paired ? "mlps" : "mlp") + half + ".",
          prefix + "mlp."};
}

}  // namespace tessera
