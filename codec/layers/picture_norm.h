#pragma once

#include <optional>
#include <string>

#include "codec/layers/conv2d.h"
#include "codec/layers/linear.h"

namespace tessera {

/// A picture on its way into a convolution that normalises it while it reads.
struct NormedPicture {
  Conv2dInput input;
  Tensor moments;
  PictureTensor gain;
  PictureTensor shift;
};

/// Group norm, or MoVQ's spatial norm (Zheng et al. 2022, arXiv 2209.09002): a group norm scaled and shifted by two
/// maps of what the quantizer gave, each a kernel-1 convolution, enlarged to the picture.
class PictureNorm {
 public:
  struct Options {
    std::int64_t groups = 32;
    float epsilon = 1e-6F;
    std::int64_t map_channels = 0;  ///< 0: group norm
  };
  /// Reads NAME.weight and NAME.bias; with maps NAME.norm_layer.*, NAME.conv_y.* and NAME.conv_b.*.
  PictureNorm(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t channels,
              const Options& options);

  /// `map` is what the quantizer gave, [rows, columns, map_channels]; ignored by a group norm. Views of x and of this
  /// layer stay in the result. The maps are small: they are convolved first and enlarged while they are read.
  [[nodiscard]] NormedPicture forward(Context& context, ConstPicture x, ConstPicture map, Activation activation) const;

 private:
  Options options_;
  Tensor weight_;
  Tensor bias_;
  std::optional<Conv2dLayer> gain_;
  std::optional<Conv2dLayer> shift_;
};

}  // namespace tessera
