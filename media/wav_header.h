#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "media/pcm.h"
#include "media/source.h"

namespace tessera::media {

struct WavHeader {
  Pcm sample = Pcm::s16;
  int sample_rate = 0;
  int channels = 0;
  std::int64_t data_begin = 0;
  std::int64_t data_bytes = -1;  ///< -1: to the end of the stream, as programs write that do not know the length yet
};

/// Reads up to the first sample of a RIFF or RF64 WAVE file, extensible or not. Nothing when the samples are neither
/// integers nor floats (A-law, ADPCM, …). Throws InputError: "corrupt_media", "truncated_media".
[[nodiscard]] std::optional<WavHeader> read_wav_header(Source& source);

/// The header of a file this library writes: 44 bytes for s16, 58 for f32. `data_bytes` that do not fit in 32 bits,
/// or -1, make a streaming header.
[[nodiscard]] std::string wav_header(Pcm sample, int sample_rate, int channels, std::int64_t data_bytes);

}  // namespace tessera::media
