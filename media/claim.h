#pragma once

#include <string>

#include "media/source.h"

namespace tessera::media {

/// Compares what a container's own headers claim with the bytes there are: "truncated: …" when some are missing,
/// else empty. Knows WAV, RF64, AIFF, AU, CAF, W64, AVI, MP4/MOV, ASF and Matroska; sizes that mean "unknown" claim
/// nothing.
[[nodiscard]] std::string missing_bytes(Source& source);

}  // namespace tessera::media
