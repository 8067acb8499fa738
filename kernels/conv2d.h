#pragma once

#include <cstdint>
#include <span>

#include "kernels/picture.h"
#include "kernels/product.h"

namespace tessera {

/// Sizes of a 2-D convolution with a square kernel; pads are zeros. Taming's down-sampling is kernel 3, stride 2,
/// bottom and right 1.
struct Conv2dShape {
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t top = 0;
  std::int64_t left = 0;
  std::int64_t bottom = 0;
  std::int64_t right = 0;

  [[nodiscard]] std::int64_t output_rows(std::int64_t rows) const noexcept { return output_size(rows + top + bottom); }
  [[nodiscard]] std::int64_t output_columns(std::int64_t columns) const noexcept {
    return output_size(columns + left + right);
  }
  /// The least pixels from one output row to the next that conv2d can write: a few more than the row has.
  [[nodiscard]] std::int64_t least_pitch(std::int64_t columns) const noexcept;

 private:
  [[nodiscard]] std::int64_t output_size(std::int64_t padded) const noexcept {
    return padded < kernel ? 0 : (padded - kernel) / stride + 1;
  }
};

struct PackedConv2d {
  Conv2dShape shape;
  PackedWeights weights;
  Tensor bias;  ///< [out_channels]; empty without
};

/// Packs a PyTorch Conv2d: `weight` [out, in, kernel, kernel] row-major, `bias` [out] or empty.
/// Throws ArgumentError when sizes disagree.
[[nodiscard]] PackedConv2d pack_conv2d(Context& context, std::span<const float> weight, std::span<const float> bias,
                                       const Conv2dShape& shape, WeightFormat format = {});

/// What a convolution reads: a picture, and what happens to each of its pixels on the way, in this order; absent ones
/// are skipped. Padding stays zero whatever they do.
struct Conv2dInput {
  Conv2dInput() = default;
  Conv2dInput(ConstPicture picture) : x(picture) {}  // NOLINT

  ConstPicture x;
  /// Group norm: y = fma((x - mean) * scale, weight, bias), `moments` from group_moments (kernels/norm.h), weight and
  /// bias [channels].
  const float* moments = nullptr;
  const float* weight = nullptr;
  const float* bias = nullptr;
  /// Spatial norm: y = fma(y, gain, shift), maps of x's channels that x is a whole multiple of in rows and in columns
  /// (nearest enlargement).
  ConstPicture gain;
  ConstPicture shift;
  Activation activation = Activation::none;
  /// Nearest enlargement: each pixel becomes enlarge x enlarge pixels.
  std::int64_t enlarge = 1;
};

/// What happens to each sum: y = activation(sum + bias) + residual.
struct Conv2dEpilogue {
  Activation activation = Activation::none;
  ConstPicture residual;  ///< as out, row_step too; may be `out` itself
};

/// out[y, x] = epilogue(bias + sum over (tap row, tap column, channel) of in[y * stride + tap row - top,
/// x * stride + tap column - left] w), the sum as the arithmetic contract says. `out` is [output_rows, output_columns,
/// out_channels] and its row_step a multiple of the channels, at least least_pitch pixels; the pixels behind each row
/// but the last are overwritten with anything (PictureTensor has one, which kernel 3 with pads of 1, down-sampling and
/// kernel 1 need at most). `out` does not overlap the input. Throws ArgumentError when shapes disagree.
void conv2d(Context& context, const Conv2dInput& input, const PackedConv2d& conv, const Conv2dEpilogue& epilogue,
            Picture out);

}  // namespace tessera
