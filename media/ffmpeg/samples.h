#pragma once

#include <cstdint>

#include "media/ffmpeg/library.h"

namespace tessera::media::ffmpeg {

/// Copies `count` frames from the `first` of a decoded frame on, interleaved, as float32: an integer of n bits becomes
/// x/2^(n-1), unsigned bytes (x-128)/128. No dither, no resampling. False when the sample format is unknown.
bool copy_samples(const AVFrame& frame, int channels, std::int64_t first, std::int64_t count, float* out);

}  // namespace tessera::media::ffmpeg
