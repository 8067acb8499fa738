#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera::media::ffmpeg {

/// Bytes that the header of an MPEG audio frame (layer 1, 2 or 3) says the frame has; 0 when the four bytes are no such
/// header or its bit rate is free.
[[nodiscard]] std::size_t mpeg_frame_bytes(const std::uint8_t* header);

/// The same for an AAC frame in ADTS, of which six bytes are read.
[[nodiscard]] std::size_t adts_frame_bytes(const std::uint8_t* header);

/// The same for AC-3, by FFmpeg's own parser.
[[nodiscard]] std::size_t ac3_frame_bytes(const std::uint8_t* packet, std::size_t size);

}  // namespace tessera::media::ffmpeg
