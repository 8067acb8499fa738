#include "media/ffmpeg/frame_size.h"

extern "C" {
#include <libavcodec/ac3_parser.h>
}

namespace tessera::media::ffmpeg {
namespace {

// ISO/IEC 11172-3 and 13818-3: kbit/s by index; rows are layer 1, 2, 3 of MPEG-1, then layer 1, and 2 and 3 of MPEG-2.
constexpr int kBitRates[5][15] = {
    {0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
    {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
    {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
    {0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
    {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
};
constexpr int kSampleRates[3] = {44100, 48000, 32000};

}  // namespace

std::size_t mpeg_frame_bytes(const std::uint8_t* header) {
  const int version = header[1] >> 3 & 3;  // 0: MPEG-2.5, 2: MPEG-2, 3: MPEG-1
  const int layer = 4 - (header[1] >> 1 & 3);
  const int rate_index = header[2] >> 4;
  const int sample_index = header[2] >> 2 & 3;
  const int padding = header[2] >> 1 & 1;
  if (header[0] != 0xFF || (header[1] & 0xE0) != 0xE0 || version == 1 || layer == 4) return 0;
  if (rate_index == 15 || sample_index == 3) return 0;
  const bool first = version == 3;
  const int bit_rate = 1000 * kBitRates[first ? layer - 1 : layer == 1 ? 3 : 4][rate_index];
  const int sample_rate = kSampleRates[sample_index] >> (first ? 0 : version == 2 ? 1 : 2);
  if (bit_rate == 0) return 0;
  if (layer == 1) return static_cast<std::size_t>((12 * bit_rate / sample_rate + padding) * 4);
  const int samples = layer == 3 && !first ? 576 : 1152;
  return static_cast<std::size_t>(samples / 8 * bit_rate / sample_rate + padding);
}

std::size_t adts_frame_bytes(const std::uint8_t* header) {
  if (header[0] != 0xFF || (header[1] & 0xF6) != 0xF0) return 0;
  return static_cast<std::size_t>(header[3] & 3) << 11 | static_cast<std::size_t>(header[4]) << 3 | header[5] >> 5;
}

std::size_t ac3_frame_bytes(const std::uint8_t* packet, std::size_t size) {
  std::uint8_t identification = 0;
  std::uint16_t bytes = 0;
  return av_ac3_parse_header(packet, size, &identification, &bytes) < 0 ? 0 : bytes;
}

}  // namespace tessera::media::ffmpeg
