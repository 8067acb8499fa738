#pragma once

#include "codec/layers/seanet.h"

namespace tessera {

/// Names that differ between configurations.
struct SeanetKeys {
  const char* width = "hidden_size";
  const char* filters = "num_filters";
  const char* ratios = "upsampling_ratios";
  const char* residual_layers = "num_residual_layers";
  const char* dilation_base = "dilation_growth_rate";
};

/// The sizes alone. Throws CheckpointError.
[[nodiscard]] SeanetShape read_seanet_sizes(const Config& config, const SeanetKeys& keys);

/// What the configurations of Mimi and EnCodec say about the SEANet, in the same keys. Published ones may lack
/// "use_conv_shortcut"; then the tensors say it. Throws CheckpointError.
[[nodiscard]] SeanetShape read_seanet(const Config& config, const Checkpoint& checkpoint);

}  // namespace tessera
