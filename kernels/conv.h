#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/product.h"

namespace tessera {

/// Sizes of a 1-D convolution over [time, channels] rows.
struct ConvShape {
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;

  /// Input frames under one output frame.
  [[nodiscard]] std::int64_t extent() const noexcept { return (kernel - 1) * dilation + 1; }
  /// Output frames of a convolution over `frames` rows, padding included.
  [[nodiscard]] std::int64_t output_frames(std::int64_t frames) const noexcept {
    return frames < extent() ? 0 : (frames - extent()) / stride + 1;
  }
  /// Of a transposed convolution: input frames that meet in one output frame, at most.
  [[nodiscard]] std::int64_t taps() const noexcept { return (kernel + stride - 1) / stride; }
};

/// One block of a packed convolution: a product whose rows start `in_offset` floats into each frame and whose outputs
/// go `out_offset` floats into each output row.
struct ConvPart {
  PackedWeights weights;
  std::int64_t in_offset = 0;
  std::int64_t out_offset = 0;
};

struct PackedConv {
  ConvShape shape;
  std::vector<ConvPart> parts;  ///< one, or one a group (and phase); empty when depthwise
  Tensor depthwise;             ///< [phases, taps, channels] in f32 when every channel is its own group
  Tensor bias;                  ///< [outputs of one row]; empty without
};

/// Packs a PyTorch Conv1d: `weight` [out, in/groups, kernel] row-major, `bias` [out] or empty.
/// Throws ArgumentError when sizes disagree or groups does not divide the channels.
[[nodiscard]] PackedConv pack_conv1d(Context& context, std::span<const float> weight, std::span<const float> bias,
                                     const ConvShape& shape, WeightFormat format = {});

/// y[t] = bias + sum over (tap, channel) of x[t * stride + tap * dilation] w, no padding: the caller puts the rows of
/// padding or of context in front. The sum runs over (tap, channel of the group), tap outermost.
/// `x` is [frames, in_channels], `out` [shape.output_frames(frames), out_channels]. `epilogue.bias` must be null: the
/// packed one is used. A depthwise one (every channel its own group) takes an activation only.
void conv1d(Context& context, ConstMatrix x, const PackedConv& conv, const Epilogue& epilogue, Matrix out);

/// Packs a PyTorch ConvTranspose1d: `weight` [in, out/groups, kernel] row-major, `bias` [out] or empty.
/// dilation must be 1.
[[nodiscard]] PackedConv pack_conv_transpose1d(Context& context, std::span<const float> weight,
                                               std::span<const float> bias, const ConvShape& shape,
                                               WeightFormat format = {});

/// Row q of the product holds `stride` output frames: y[q * stride + phase] = bias + sum over taps j of
/// x[q - taps + 1 + j] w[phase + (taps - 1 - j) * stride], the frame of `x` being counted from taps() - 1 frames of
/// context (or zeros) in front. `out` is [(x.rows - taps + 1) * stride, out_channels], contiguous.
/// The full PyTorch output, (n - 1) * stride + kernel frames, is what zeros on both sides give, cut to that length.
void conv_transpose1d(Context& context, ConstMatrix x, const PackedConv& conv, Activation activation, Matrix out);

enum class PadMode : std::uint8_t { zeros, reflect, replicate };

/// out = `left` frames of padding, input, `right` frames of padding; [left + frames + right, channels].
/// reflect needs more frames than max(left, right), replicate at least one; throws ArgumentError otherwise.
void pad_frames(Context& context, ConstMatrix input, std::int64_t left, std::int64_t right, PadMode mode, Matrix out);

}  // namespace tessera
