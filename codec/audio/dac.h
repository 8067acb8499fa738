#pragma once

#include <memory>

#include "codec/checkpoint/checkpoint.h"
#include "codec/codec.h"

namespace tessera {

/// DAC (Kumar et al. 2023, arXiv 2306.06546): the layout of transformers' DacModel, or the authors' own tensor names
/// with the arguments that their checkpoints carry as metadata for config.json. The wave is padded with zeros to a
/// multiple of the network's hop, whatever a feature extractor's file says. Where a rate is odd the decoder gives a few
/// samples less than the encoder took, as the reference's does.
[[nodiscard]] std::unique_ptr<AudioCodec> load_dac(Context& context, const Config& config, Checkpoint& checkpoint);

/// SNAC (Siuzdak et al. 2024, arXiv 2410.14411) in the authors' layout. Levels have different rates. The decoder's
/// noise blocks multiply noise of mean 0 into the signal; here the noise is that mean, so that a decode is a function
/// of its codes.
[[nodiscard]] std::unique_ptr<AudioCodec> load_snac(Context& context, const Config& config, Checkpoint& checkpoint);

}  // namespace tessera
