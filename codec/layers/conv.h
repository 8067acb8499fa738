#pragma once

#include <string>

#include "codec/checkpoint/checkpoint.h"
#include "kernels/conv.h"

namespace tessera {

/// A convolution as codecs run it: activation, padding, product, epilogue, in chunks of any length. Whole files are one
/// chunk. The rows a later output still needs are kept in front of the next chunk.
class ConvLayer {
 public:
  struct Options {
    ConvShape shape;
    std::int64_t left = 0;                 ///< frames of padding before the first input frame
    PadMode left_mode = PadMode::zeros;    ///< or replicate
    Activation before = Activation::none;  ///< on the input; must map 0 to 0, since padding stays zero
    bool bias = true;
  };
  /// Frames carried between chunks.
  struct State {
    Tensor tail;  ///< [extent, in_channels]
    std::int64_t rows = 0;
    bool started = false;
  };

  /// Reads `name`.weight and `name`.bias.
  ConvLayer(Context& context, Checkpoint& checkpoint, const std::string& name, const Options& options);

  [[nodiscard]] State start(Context& context) const;
  /// Output frames that x completes; the last chunk (`right` >= 0) also gets `right` frames of zeros behind it.
  /// `after.residual`, if any, has the output's rows.
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix x, const Epilogue& after = {},
                               std::int64_t right = kMore) const;
  [[nodiscard]] const ConvShape& shape() const noexcept { return options_.shape; }
  [[nodiscard]] std::int64_t left() const noexcept { return options_.left; }

  /// More chunks follow.
  static constexpr std::int64_t kMore = -1;

 private:
  [[nodiscard]] bool point_wise() const noexcept;
  [[nodiscard]] Tensor join(Context& context, State& state, ConstMatrix x, std::int64_t right) const;
  void keep(Context& context, State& state, ConstMatrix rows, std::int64_t used) const;

  Options options_;
  PackedConv weights_;
};

/// A transposed convolution in chunks. Output frame t * stride + p is complete with input frame t.
class ConvTransposeLayer {
 public:
  struct State {
    Tensor tail;  ///< [taps - 1, in_channels], zeros at first
  };

  /// Reads `name`.weight and, when `bias`, `name`.bias.
  ConvTransposeLayer(Context& context, Checkpoint& checkpoint, const std::string& name, const ConvShape& shape,
                     bool bias, Activation before = Activation::none);
  /// Weights made elsewhere (an inverse STFT).
  explicit ConvTransposeLayer(PackedConv weights) : weights_(std::move(weights)) {}

  [[nodiscard]] State start(Context& context) const;
  /// x.rows * stride frames: what PyTorch gives with kernel - stride frames cut off the end. `extra` zero frames behind
  /// x (the last chunk) give the frames that reach beyond.
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix x, std::int64_t extra = 0) const;
  [[nodiscard]] const ConvShape& shape() const noexcept { return weights_.shape; }

 private:
  PackedConv weights_;
  Activation before_ = Activation::none;
};

/// Copies contiguous rows between tensors of one device.
void copy_frames(Context& context, ConstMatrix from, Matrix to);

}  // namespace tessera
