#pragma once

#include <memory>

#include "codec/checkpoint/checkpoint.h"
#include "codec/codec.h"

namespace tessera {

/// EnCodec (Défossez et al. 2022, arXiv 2210.13438) in the layout of transformers' EncodecModel. Follows the authors'
/// package where transformers differs: the last segment of the 48 kHz model stays as short as it is.
[[nodiscard]] std::unique_ptr<AudioCodec> load_encodec(Context& context, const Config& config, Checkpoint& checkpoint);

}  // namespace tessera
