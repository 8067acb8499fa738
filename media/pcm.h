#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera::media {

/// Little-endian samples as they lie in a file.
enum class Pcm : std::uint8_t { u8, s16, s24, s32, f32, f64 };

[[nodiscard]] std::size_t pcm_bytes(Pcm format);
[[nodiscard]] const char* pcm_name(Pcm format);  ///< "pcm_s16", …

/// u8 becomes (x-128)/128; an integer of n bits x/2^(n-1); 32-bit and double round to nearest.
void pcm_to_float(Pcm format, const unsigned char* bytes, std::size_t count, float* out);

/// Rounds x·2^15 half to even and clips to [-32768, 32767].
[[nodiscard]] std::int16_t to_s16(float x);

/// Multi-byte integers wherever they lie.
[[nodiscard]] std::uint64_t little_endian(const unsigned char* bytes, std::size_t count);
[[nodiscard]] std::uint64_t big_endian(const unsigned char* bytes, std::size_t count);

}  // namespace tessera::media
