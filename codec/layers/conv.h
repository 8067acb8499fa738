#pragma once

#include <string>

#include "codec/checkpoint/checkpoint.h"
#include "codec/layers/point.h"
#include "kernels/conv.h"

namespace tessera {

/// A convolution as codecs run it: point function, padding, product, epilogue, in chunks of any length; whole files are
/// one chunk. The rows a later output still needs are kept in front of the next chunk. A layer that looks ahead
/// (`right` > 0) is as exact in chunks as a causal one: its outputs come as soon as the frames they see are there.
class ConvLayer {
 public:
  struct Options {
    ConvShape shape;         ///< kernel extent >= stride
    std::int64_t left = 0;   ///< frames of padding before the first input frame
    std::int64_t right = 0;  ///< and behind the last
    /// More padding behind the last frame until the last window is full (EnCodec's "extra padding").
    bool fill = false;
    /// reflect: an input of at most max(left, padding behind) frames is mirrored as if zeros followed it, of which the
    /// output then has none (encodec's pad1d).
    PadMode mode = PadMode::zeros;
    bool bias = true;
    Math math = Math::fast;  ///< exact: however fast the context's is
  };
  struct State {
    Tensor kept;  ///< [frames, in_channels], after the point function
    std::int64_t rows = 0;
    std::int64_t used = 0;   ///< of these, frames no later window sees; a mirror may
    std::int64_t total = 0;  ///< input frames so far
    bool started = false;
  };

  /// Reads the weights of `name` (with or without weight norm) and `name`.bias. `before` must map 0 to 0, since padding
  /// stays zero.
  ConvLayer(Context& context, Checkpoint& checkpoint, const std::string& name, const Options& options,
            PointLayer before = {});

  /// Output frames that x completes; behind the `last` chunk comes the padding.
  /// `after.residual`, if any, has the output's rows.
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix x, const Epilogue& after = {},
                               bool last = false) const;
  [[nodiscard]] const ConvShape& shape() const noexcept { return options_.shape; }
  /// Output frames that are complete after `frames` of an input that goes on.
  [[nodiscard]] std::int64_t ready(std::int64_t frames) const noexcept;
  /// Output frames of a whole input of `frames`.
  [[nodiscard]] std::int64_t output_frames(std::int64_t frames) const noexcept;

 private:
  [[nodiscard]] bool point_wise() const noexcept;
  [[nodiscard]] std::int64_t padding_behind(std::int64_t frames) const noexcept;
  [[nodiscard]] std::int64_t mirror() const noexcept;
  [[nodiscard]] Tensor join(Context& context, State& state, ConstMatrix x, bool last) const;
  void pad(Context& context, Matrix rows, std::int64_t first, std::int64_t count, std::int64_t frame,
           std::int64_t total, std::int64_t end) const;
  void keep(Context& context, State& state, ConstMatrix rows, std::int64_t used) const;

  Options options_;
  PointLayer before_;
  PackedConv weights_;
};

/// A transposed convolution in chunks.
class ConvTransposeLayer {
 public:
  struct Options {
    ConvShape shape;
    bool bias = true;
    std::int64_t trim = 0;  ///< frames cut off the front of what PyTorch gives without padding
    std::int64_t grow = 0;  ///< the output has input frames * stride + grow frames (cut at the end, or bias alone)
  };
  struct State {
    Tensor tail;              ///< [taps - 1, in_channels], zeros at first
    std::int64_t frames = 0;  ///< input frames so far
  };

  /// Reads the weights of `name` (with or without weight norm) and `name`.bias.
  ConvTransposeLayer(Context& context, Checkpoint& checkpoint, const std::string& name, const Options& options,
                     PointLayer before = {});
  /// Weights made elsewhere (an inverse STFT).
  explicit ConvTransposeLayer(PackedConv weights);

  [[nodiscard]] State start(Context& context) const;
  /// Output frames that no later input reaches; with the `last` chunk all of the rest.
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix x, bool last = false) const;
  /// (x.rows + extra) * stride frames, nothing trimmed; `extra` zero frames behind x give those that reach beyond.
  [[nodiscard]] Tensor advance(Context& context, State& state, ConstMatrix x, std::int64_t extra = 0) const;
  [[nodiscard]] const ConvShape& shape() const noexcept { return options_.shape; }
  [[nodiscard]] std::int64_t ready(std::int64_t frames) const noexcept;
  /// Of the full output of `frames` input frames, the part [trim, trim + size).
  [[nodiscard]] std::int64_t trim() const noexcept { return options_.trim; }
  [[nodiscard]] std::int64_t size(std::int64_t frames) const noexcept;

 private:
  Options options_;
  PointLayer before_;
  PackedConv weights_;
};

/// Frames that wait for a longer way round: what a shortcut beside layers that look ahead carries.
class DelayLine {
 public:
  /// Takes `x` in and gives the oldest `count` frames, until the next call.
  [[nodiscard]] ConstMatrix exchange(Context& context, ConstMatrix x, std::int64_t count);
  [[nodiscard]] std::int64_t held() const noexcept { return frames_.empty() ? 0 : frames_.dim(0) - given_; }

 private:
  Tensor frames_;
  std::int64_t given_ = 0;
};

/// Copies contiguous rows between tensors of one device.
void copy_frames(Context& context, ConstMatrix from, Matrix to);
/// A copy of `rows` in work memory.
[[nodiscard]] Tensor copy_of(Context& context, ConstMatrix rows);
/// Tensors [n, columns] one behind another; a single one is handed through.
[[nodiscard]] Tensor concatenate(Context& context, std::vector<Tensor> parts, std::int64_t columns);

}  // namespace tessera
