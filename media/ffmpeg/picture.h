#pragma once

#include "media/ffmpeg/library.h"
#include "media/image/pixels.h"

namespace tessera::media::ffmpeg {

/// Frames to RGB, or to RGBA where the format has alpha, by swscale in its bit-exact mode; keeps its tables between
/// frames of one kind.
class PictureConverter {
 public:
  /// False when swscale does not know the format.
  bool convert(const AVFrame& frame, Pixels& out);

 private:
  bool prepare(const AVFrame& frame, AVPixelFormat to);

  Scaler scaler_;
  int rows_ = 0;
  int columns_ = 0;
  int format_ = -1;
  int matrix_ = -1;
  int range_ = -1;
};

}  // namespace tessera::media::ffmpeg
