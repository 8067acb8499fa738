#pragma once

#include <memory>

#include "media/image/pixels.h"
#include "media/source.h"
#include "media/video.h"

namespace tessera::media {

/// Frame after frame of one file, as the FFmpeg module gives them.
class VideoDecoder {
 public:
  virtual ~VideoDecoder() = default;
  [[nodiscard]] virtual const VideoInfo& info() const = 0;
  /// Decodes the frame that comes next, unless that was done, and tells its time in seconds; false at the end.
  virtual bool peek(double& time) = 0;
  /// Makes the next frame the current one. Only after peek() said true.
  virtual void take() = 0;
  /// When the current frame gives way to nothing: its time and its duration, in seconds.
  [[nodiscard]] virtual double end() const = 0;
  /// The current frame as RGB, or RGBA where the format has alpha.
  [[nodiscard]] virtual Pixels picture() = 0;
};

/// What the module exports beside kOpenFfmpegSymbol. Takes the source only when it succeeds; throws what open_video()
/// does.
using OpenFfmpegVideo = VideoDecoder*(std::unique_ptr<Source>& source, int stream, std::int64_t max_pixels);
inline constexpr const char* kOpenFfmpegVideoSymbol = "tessera_open_ffmpeg_video";

/// Loads the module on its first use.
[[nodiscard]] std::unique_ptr<VideoDecoder> open_ffmpeg_video(std::unique_ptr<Source> source, int stream,
                                                              std::int64_t max_pixels);

}  // namespace tessera::media
