#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "media/image.h"

namespace tessera::media {

/// What a video file says of itself.
struct VideoInfo {
  std::string container;  ///< "mov,mp4,m4a", "matroska,webm", …
  std::string codec;      ///< "h264", "vp9", …
  int rows = 0;           ///< as stored, before the rotation
  int columns = 0;
  int orientation = 1;    ///< as EXIF counts: 1, 3, 6 or 8
  double frame_rate = 0;  ///< average, frames a second; 0 when unknown
  double seconds = -1;    ///< -1 when unknown
  int stream = 0;         ///< index of the video stream read
  int streams = 1;        ///< video streams in the file
};

struct VideoReadOptions {
  double start = 0;                                   ///< seconds after the first frame
  std::optional<double> duration;                     ///< seconds to read at most
  double fps = 0;                                     ///< frames a second; 0: every frame there is
  int stream = -1;                                    ///< which video stream; -1: the file's default
  std::int64_t max_pixels = std::int64_t{256} << 20;  ///< of one frame, see ImageReadOptions
};

struct VideoFrame {
  double time = 0;  ///< seconds after the first frame: the frame's own, or with `fps` the one asked for
  Image image;      ///< upright
};

/// Decodes from the front to the end; one frame is in memory at a time.
class VideoReader {
 public:
  virtual ~VideoReader() = default;
  [[nodiscard]] virtual const VideoInfo& info() const = 0;
  /// False at the end. With `fps` the frames are those on the screen at start + k / fps. Throws InputError:
  /// "corrupt_media", "too_large".
  virtual bool read(VideoFrame& out) = 0;
};

/// Opens any video that FFmpeg reads, by content; "-" is standard input. Decoding and the conversion to RGB run in the
/// bit-exact modes of FFmpeg's libraries (the matrix is the file's, BT.601 where it does not say), so the same version
/// of them gives the same samples everywhere. Throws InputError as open_audio() does, with "no_video" for a file
/// without pictures; ArgumentError for options that make no sense.
[[nodiscard]] std::unique_ptr<VideoReader> open_video(const std::string& path, const VideoReadOptions& options = {});

}  // namespace tessera::media
