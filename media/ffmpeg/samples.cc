#include "media/ffmpeg/samples.h"

namespace tessera::media::ffmpeg {
namespace {

float to_float(std::uint8_t x) { return static_cast<float>(x - 128) / 128.0F; }
float to_float(std::int16_t x) { return static_cast<float>(x) / 32768.0F; }
float to_float(std::int32_t x) { return static_cast<float>(x) / 2147483648.0F; }
float to_float(std::int64_t x) { return static_cast<float>(x) / 9223372036854775808.0F; }
float to_float(float x) { return x; }
float to_float(double x) { return static_cast<float>(x); }

template <class T>
bool interleave(const AVFrame& frame, bool planar, int channels, std::int64_t first, std::int64_t count, float* out) {
  for (int channel = 0; channel < channels; ++channel) {
    const auto* plane = reinterpret_cast<const T*>(frame.extended_data[planar ? channel : 0]);
    const T* samples = planar ? plane + first : plane + first * channels + channel;
    const int step = planar ? 1 : channels;
    for (std::int64_t i = 0; i < count; ++i) out[i * channels + channel] = to_float(samples[i * step]);
  }
  return true;
}

}  // namespace

bool copy_samples(const AVFrame& frame, int channels, std::int64_t first, std::int64_t count, float* out) {
  const auto format = static_cast<AVSampleFormat>(frame.format);
  const bool planar = av_sample_fmt_is_planar(format) != 0;
  switch (av_get_packed_sample_fmt(format)) {
    case AV_SAMPLE_FMT_U8:
      return interleave<std::uint8_t>(frame, planar, channels, first, count, out);
    case AV_SAMPLE_FMT_S16:
      return interleave<std::int16_t>(frame, planar, channels, first, count, out);
    case AV_SAMPLE_FMT_S32:
      return interleave<std::int32_t>(frame, planar, channels, first, count, out);
    case AV_SAMPLE_FMT_S64:
      return interleave<std::int64_t>(frame, planar, channels, first, count, out);
    case AV_SAMPLE_FMT_FLT:
      return interleave<float>(frame, planar, channels, first, count, out);
    case AV_SAMPLE_FMT_DBL:
      return interleave<double>(frame, planar, channels, first, count, out);
    default:
      return false;
  }
}

}  // namespace tessera::media::ffmpeg
