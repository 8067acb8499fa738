#pragma once

#include <vector>

#include "codec/codec.h"

namespace tessera::cli {

/// True when levels have ids at rates of their own.
[[nodiscard]] bool is_multi_rate(const AudioCodecInfo& codec);
/// Ids a second of each of the first `levels` levels.
[[nodiscard]] std::vector<double> level_rates(const AudioCodecInfo& codec, int levels);
/// Bit rate of the first `levels` levels: the sum of rate * log2(codebook size), to a bit a second.
[[nodiscard]] double kilobits_per_second(const AudioCodecInfo& codec, int levels);

}  // namespace tessera::cli
