#pragma once

#include <string>
#include <vector>

#include "codec/checkpoint/checkpoint.h"
#include "kernels/conv2d.h"

namespace tessera {

/// A 2-D convolution of a checkpoint. Several that read the same input (q, k, v) are one product.
class Conv2dLayer {
 public:
  /// `shape.out_channels` are those of all names together, in equal parts. Reads NAME.weight, [out, in, kernel,
  /// kernel], or [out, in] for kernel 1 (a linear layer), and NAME.bias.
  /// `math`: exact for a quantizer's projection, however fast the context's is.
  Conv2dLayer(Context& context, Checkpoint& checkpoint, const std::vector<std::string>& names, const Conv2dShape& shape,
              Math math = Math::fast);
  /// Weights [out, in, kernel, kernel] made elsewhere.
  Conv2dLayer(Context& context, const std::vector<float>& weight, const std::vector<float>& bias,
              const Conv2dShape& shape, Math math = Math::fast);

  [[nodiscard]] PictureTensor forward(Context& context, const Conv2dInput& input,
                                      const Conv2dEpilogue& after = {}) const;
  [[nodiscard]] const Conv2dShape& shape() const noexcept { return conv_.shape; }

 private:
  PackedConv2d conv_;
};

/// Kernel 3 with zeros around the picture; taming's down-sampling, which has them below and on the right only;
/// kernel 1.
[[nodiscard]] Conv2dShape same_3x3(std::int64_t in, std::int64_t out);
[[nodiscard]] Conv2dShape down_3x3(std::int64_t channels);
[[nodiscard]] Conv2dShape point_1x1(std::int64_t in, std::int64_t out);

}  // namespace tessera
