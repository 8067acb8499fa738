#include "media/pcm.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace tessera::media {
namespace {

static_assert(std::endian::native == std::endian::little, "samples are copied as they lie in little-endian files");

template <class T>
T load(const unsigned char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

float from_u8(const unsigned char* bytes) { return static_cast<float>(*bytes - 128) / 128.0F; }
float from_s16(const unsigned char* bytes) { return load<std::int16_t>(bytes) / 32768.0F; }
float from_s24(const unsigned char* bytes) {
  const std::uint32_t high = static_cast<std::uint32_t>(little_endian(bytes, 3)) << 8;
  return static_cast<float>(static_cast<std::int32_t>(high) >> 8) / 8388608.0F;
}
float from_s32(const unsigned char* bytes) { return static_cast<float>(load<std::int32_t>(bytes)) / 2147483648.0F; }
float from_f32(const unsigned char* bytes) { return load<float>(bytes); }
float from_f64(const unsigned char* bytes) { return static_cast<float>(load<double>(bytes)); }

template <std::size_t Bytes, float (*Convert)(const unsigned char*)>
void convert_all(const unsigned char* bytes, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = Convert(bytes + i * Bytes);
}

struct Format {
  std::size_t bytes;
  const char* name;
  void (*to_float)(const unsigned char*, std::size_t, float*);
};

// In the order of Pcm.
constexpr Format kFormats[] = {
    {1, "pcm_u8", convert_all<1, from_u8>},   {2, "pcm_s16", convert_all<2, from_s16>},
    {3, "pcm_s24", convert_all<3, from_s24>}, {4, "pcm_s32", convert_all<4, from_s32>},
    {4, "pcm_f32", convert_all<4, from_f32>}, {8, "pcm_f64", convert_all<8, from_f64>},
};

const Format& entry(Pcm format) { return kFormats[static_cast<std::size_t>(format)]; }

}  // namespace

std::size_t pcm_bytes(Pcm format) { return entry(format).bytes; }
const char* pcm_name(Pcm format) { return entry(format).name; }

void pcm_to_float(Pcm format, const unsigned char* bytes, std::size_t count, float* out) {
  entry(format).to_float(bytes, count, out);
}

std::int16_t to_s16(float x) {
  return static_cast<std::int16_t>(std::nearbyint(std::clamp(x * 32768.0F, -32768.0F, 32767.0F)));
}

std::uint64_t little_endian(const unsigned char* bytes, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = count; i-- > 0;) value = value << 8 | bytes[i];
  return value;
}

std::uint64_t big_endian(const unsigned char* bytes, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

}  // namespace tessera::media
