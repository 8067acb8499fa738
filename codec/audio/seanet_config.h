#pragma once

#include "codec/layers/seanet.h"

namespace tessera {

/// What the configurations of Mimi and EnCodec say about the SEANet, in the same keys. Published ones may lack
/// "use_conv_shortcut"; then the tensors say it. Throws CheckpointError.
[[nodiscard]] SeanetShape read_seanet(const Config& config, const Checkpoint& checkpoint);

}  // namespace tessera
