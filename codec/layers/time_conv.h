#pragma once

#include <string>
#include <vector>

#include "codec/layers/conv2d.h"

namespace tessera {

using Frames = std::vector<PictureTensor>;
/// Views of frames, which may repeat.
using FrameViews = std::vector<ConstPicture>;
[[nodiscard]] FrameViews views_of(const Frames& frames);

/// A 3-D convolution over pictures in time, causal: two zero frames in front, none behind, whatever its kernel; zeros
/// around each picture so that it keeps its size. It runs as a 2-D one over the frames under it, channels side by side.
class TimeConv {
 public:
  struct Options {
    std::int64_t in = 0;
    std::int64_t out = 0;
    std::int64_t frames = 3;  ///< of the kernel
    std::int64_t stride = 1;  ///< in time
    std::int64_t side = 3;    ///< of the kernel in a picture, odd
  };
  /// Reads NAME.weight [out, in, frames, side, side] and NAME.bias.
  TimeConv(Context& context, Checkpoint& checkpoint, const std::string& name, const Options& options);

  /// floor((n + 2 - frames) / stride) + 1 frames; `residual`, if any, has as many.
  [[nodiscard]] Frames forward(Context& context, const FrameViews& frames, Activation activation,
                               const FrameViews& residual = {}) const;

 private:
  [[nodiscard]] PictureTensor gather(Context& context, const FrameViews& frames, std::int64_t first) const;

  Options options_;
  Conv2dLayer conv_;
};

/// Batch norm (running statistics), swish, convolution, twice, around which the input is added.
class TimeResnetBlock {
 public:
  TimeResnetBlock(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t channels);
  [[nodiscard]] Frames forward(Context& context, const FrameViews& frames) const;

 private:
  struct Norm {  // y = x * scale + shift
    Tensor scale;
    Tensor shift;
  };
  [[nodiscard]] static Norm load_norm(Context& context, Checkpoint& checkpoint, const std::string& name,
                                      std::int64_t channels);
  [[nodiscard]] static Frames apply(Context& context, const Norm& norm, const FrameViews& frames);

  Norm norm1_;
  TimeConv conv1_;
  Norm norm2_;
  TimeConv conv2_;
};

}  // namespace tessera
