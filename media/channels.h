#pragma once

#include <cstdint>

namespace tessera::media {

/// The mean over channels, in float32: channels are summed in ascending order, then divided by their number.
/// `out` holds `frames` samples and may be `interleaved` itself.
inline void fold_to_mono(const float* interleaved, std::int64_t frames, int channels, float* out) {
  for (std::int64_t frame = 0; frame < frames; ++frame) {
    const float* samples = interleaved + frame * channels;
    float sum = samples[0];
    for (int channel = 1; channel < channels; ++channel) sum += samples[channel];
    out[frame] = sum / static_cast<float>(channels);
  }
}

/// One channel of `frames` interleaved ones.
inline void take_channel(const float* interleaved, std::int64_t frames, int channels, int channel, float* out) {
  for (std::int64_t frame = 0; frame < frames; ++frame) out[frame] = interleaved[frame * channels + channel];
}

/// The reverse: puts `samples` where the channel lies in `interleaved`.
inline void put_channel(const float* samples, std::int64_t frames, int channels, int channel, float* interleaved) {
  for (std::int64_t frame = 0; frame < frames; ++frame) interleaved[frame * channels + channel] = samples[frame];
}

}  // namespace tessera::media
