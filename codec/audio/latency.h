#pragma once

#include <algorithm>
#include <cstdint>

namespace tessera {

/// The least n with ready(n) > count, for a network whose outputs grow with its inputs.
template <class Ready>
[[nodiscard]] std::int64_t first_beyond(std::int64_t count, const Ready& ready) {
  std::int64_t most = 1;
  while (ready(most) <= count) most *= 2;
  std::int64_t least = most / 2;
  while (most - least > 1) {
    const std::int64_t middle = least + (most - least) / 2;
    (ready(middle) <= count ? least : most) = middle;
  }
  return most;
}

/// Samples beyond a frame's own that the encoder waits for before it gives the frame, at most among the first `frames`.
/// `ready(samples)` counts complete frames.
template <class Ready>
[[nodiscard]] std::int64_t encode_latency(std::int64_t hop, std::int64_t frames, const Ready& ready) {
  std::int64_t latency = 0;
  for (std::int64_t f = 0; f < frames; ++f) latency = std::max(latency, first_beyond(f, ready) - (f + 1) * hop);
  return latency;
}

/// Samples of later frames that the decoder waits for before it gives a frame's first sample, at most among the first
/// `frames`. `ready(frames)` counts complete samples.
template <class Ready>
[[nodiscard]] std::int64_t decode_latency(std::int64_t hop, std::int64_t frames, const Ready& ready) {
  std::int64_t latency = 0;
  for (std::int64_t f = 0; f < frames; ++f) {
    latency = std::max(latency, (first_beyond(f * hop, ready) - (f + 1)) * hop);
  }
  return latency;
}

}  // namespace tessera
