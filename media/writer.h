#pragma once

#include <cstddef>
#include <memory>

#include <string>

#include "media/audio.h"
#include "media/output_file.h"

namespace tessera::media {

[[nodiscard]] std::unique_ptr<AudioWriter> create_wav(const std::string& path, const WriteOptions& options);

enum class Encoding { flac, opus, mp3 };
/// Throws ArgumentError when the encoding does not have the sample rate or the number of channels.
[[nodiscard]] std::unique_ptr<AudioWriter> create_sndfile(const std::string& path, Encoding encoding,
                                                          const WriteOptions& options);

/// Throws ArgumentError for NaN and infinity, which no format can hold: a writer checks every block it is given.
void check_finite(const float* samples, std::size_t count);

}  // namespace tessera::media
