#pragma once

#include <memory>

#include "codec/checkpoint/checkpoint.h"
#include "codec/codec.h"

namespace tessera {

/// Mimi (Kyutai, arXiv 2410.00037) from the public Hugging Face layout (MimiModel). Follows the authors' own rules: the
/// wave is padded with zeros to a whole frame, and a query sees the `sliding_window` newest positions, itself included;
/// so streaming equals offline. Throws CheckpointError for configurations that are not causal.
[[nodiscard]] std::unique_ptr<AudioCodec> load_mimi(Context& context, const Config& config, Checkpoint& checkpoint);

}  // namespace tessera
