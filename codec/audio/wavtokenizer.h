#pragma once

#include <memory>

#include "codec/checkpoint/checkpoint.h"
#include "codec/codec.h"

namespace tessera {

/// WavTokenizer (Ji et al. 2024, arXiv 2408.16532), as `training/convert` makes a folder of the published checkpoint:
/// tensors under their own names, config.json from the published YAML. The encoder is a SEANet that looks ahead; the
/// decoder sees the whole clip at once.
[[nodiscard]] std::unique_ptr<AudioCodec> load_wavtokenizer(Context& context, const Config& config,
                                                            Checkpoint& checkpoint);

}  // namespace tessera
