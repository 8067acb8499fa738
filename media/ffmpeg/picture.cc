#include "media/ffmpeg/picture.h"

#include <cstring>

namespace tessera::media::ffmpeg {
namespace {

constexpr std::size_t kAlign = 64;  // swscale's vector code writes whole vectors, past the end of a row too
constexpr int kFlags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;

bool has_alpha(AVPixelFormat format) {
  const AVPixFmtDescriptor* about = av_pix_fmt_desc_get(format);
  return about != nullptr && (about->flags & (AV_PIX_FMT_FLAG_ALPHA | AV_PIX_FMT_FLAG_PAL)) != 0;
}

/// The names with a J mean full range in their own way; swscale wants the plain name and the range apart.
AVPixelFormat plain(AVPixelFormat format) {
  switch (format) {
    case AV_PIX_FMT_YUVJ420P:
      return AV_PIX_FMT_YUV420P;
    case AV_PIX_FMT_YUVJ422P:
      return AV_PIX_FMT_YUV422P;
    case AV_PIX_FMT_YUVJ444P:
      return AV_PIX_FMT_YUV444P;
    case AV_PIX_FMT_YUVJ440P:
      return AV_PIX_FMT_YUV440P;
    default:
      return format;
  }
}

bool is_full_range(const AVFrame& frame) {
  const auto format = static_cast<AVPixelFormat>(frame.format);
  return frame.color_range == AVCOL_RANGE_JPEG || plain(format) != format;
}

}  // namespace

bool PictureConverter::prepare(const AVFrame& frame, AVPixelFormat to) {
  const int range = is_full_range(frame) ? 1 : 0;
  const bool same = scaler_ && rows_ == frame.height && columns_ == frame.width && format_ == frame.format &&
                    matrix_ == frame.colorspace && range_ == range;
  if (same) return true;
  const AVPixelFormat from = plain(static_cast<AVPixelFormat>(frame.format));
  scaler_.reset(sws_getContext(frame.width, frame.height, from, frame.width, frame.height, to, kFlags, nullptr, nullptr,
                               nullptr));
  if (!scaler_) return false;
  const int* coefficients = sws_getCoefficients(frame.colorspace);  // BT.601 for what it does not know
  sws_setColorspaceDetails(scaler_.get(), coefficients, range, coefficients, 1, 0, 1 << 16, 1 << 16);
  rows_ = frame.height;
  columns_ = frame.width;
  format_ = frame.format;
  matrix_ = frame.colorspace;
  range_ = range;
  return true;
}

bool PictureConverter::convert(const AVFrame& frame, Pixels& out) {
  const bool alpha = has_alpha(static_cast<AVPixelFormat>(frame.format));
  if (!prepare(frame, alpha ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24)) return false;
  out = Pixels(frame.height, frame.width, alpha ? 4 : 3);
  const std::size_t step = (out.row_bytes() + 2 * kAlign - 1) / kAlign * kAlign;
  std::vector<std::uint8_t> padded(step * static_cast<std::size_t>(frame.height + 1));
  std::uint8_t* rows[] = {padded.data(), nullptr, nullptr, nullptr};
  const int steps[] = {static_cast<int>(step), 0, 0, 0};
  if (sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, rows, steps) != frame.height) return false;
  for (int row = 0; row < frame.height; ++row) {
    std::memcpy(out.row(row), padded.data() + step * static_cast<std::size_t>(row), out.row_bytes());
  }
  return true;
}

}  // namespace tessera::media::ffmpeg
