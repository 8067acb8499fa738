#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codec/layers/conv.h"
#include "codec/layers/lstm.h"

namespace tessera {

/// Sizes of a SEANet (EnCodec, arXiv 2210.13438; Mimi, arXiv 2410.00037): convolutions, ELU and residual blocks around
/// strided (or transposed) convolutions with kernel 2 * ratio, optionally with an LSTM next to the latent.
struct SeanetShape {
  std::int64_t audio_channels = 1;
  std::int64_t width = 0;            ///< latent channels
  std::int64_t filters = 0;          ///< channels at the sample rate; doubled at each ratio
  std::vector<std::int64_t> ratios;  ///< in the decoder's order
  std::int64_t kernel = 0;
  std::int64_t last_kernel = 0;
  std::int64_t residual_kernel = 0;
  int residual_layers = 0;
  std::int64_t dilation_base = 1;  ///< residual layer j has dilation base^j
  std::int64_t compress = 1;
  bool conv_shortcut = false;  ///< a 1-wide convolution instead of the identity
  PadMode mode = PadMode::zeros;
  bool causal = true;             ///< else half of the padding stands behind
  double trim_right_ratio = 1.0;  ///< of a causal transposed convolution
  int lstm_layers = 0;
  /// GroupNorm with one group behind every convolution, over all time: the input has to come in one chunk.
  bool time_norm = false;
  /// What a checkpoint appends to a layer's name.
  std::string conv_suffix = ".conv";
  std::string transposed_suffix = ".conv";

  /// Samples a latent frame; anything above kMostHop only says that it is too large.
  [[nodiscard]] std::int64_t hop() const;
  static constexpr std::int64_t kMostHop = std::int64_t{1} << 20;
};

/// GroupNorm with one group, eps 1e-5, or nothing.
class TimeNorm {
 public:
  /// Reads `name`.weight and .bias when `present`.
  TimeNorm(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t channels, bool present);
  [[nodiscard]] bool present() const noexcept { return !weight_.empty(); }
  void forward(Context& context, Matrix x) const;

 private:
  Tensor weight_;
  Tensor bias_;
};

/// A convolution of the SEANet with its norm.
class SeanetConv {
 public:
  using State = ConvLayer::State;
  struct Size {
    std::int64_t in, out, kernel;
    std::int64_t stride = 1;
    std::int64_t dilation = 1;
  };
  SeanetConv(Context& context, Checkpoint& checkpoint, const std::string& name, const SeanetShape& shape,
             const Size& size, Activation before = Activation::none);
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix x, const Epilogue& after, bool last) const;
  [[nodiscard]] const ConvShape& shape() const noexcept { return conv_.shape(); }
  [[nodiscard]] std::int64_t ready(std::int64_t frames) const noexcept { return conv_.ready(frames); }

 private:
  ConvLayer conv_;
  TimeNorm norm_;
};

/// A transposed convolution, kernel 2 * stride, with its norm, which comes before the trim.
class SeanetUpsampler {
 public:
  using State = ConvTransposeLayer::State;
  SeanetUpsampler(Context& context, Checkpoint& checkpoint, const std::string& name, const SeanetShape& shape,
                  std::int64_t in, std::int64_t stride);
  [[nodiscard]] State start(Context& context) const { return conv_.start(context); }
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix x, bool last) const;
  [[nodiscard]] const ConvShape& shape() const noexcept { return conv_.shape(); }
  [[nodiscard]] std::int64_t ready(std::int64_t frames) const noexcept { return conv_.ready(frames); }

 private:
  ConvTransposeLayer conv_;
  TimeNorm norm_;
};

/// x + conv1(elu(conv_k(elu(x)))), optionally with a convolution on the shortcut.
class ResidualUnit {
 public:
  struct State {
    SeanetConv::State inner;
    SeanetConv::State outer;
    SeanetConv::State shortcut;
    DelayLine delay;
  };
  ResidualUnit(Context& context, Checkpoint& checkpoint, const std::string& name, const SeanetShape& shape,
               std::int64_t channels, std::int64_t dilation);
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix x, bool last) const;
  [[nodiscard]] std::int64_t ready(std::int64_t frames) const noexcept { return inner_.ready(frames); }

 private:
  SeanetConv inner_;
  SeanetConv outer_;
  std::optional<SeanetConv> shortcut_;
};

/// Samples [frames, audio_channels] to latent [ceil(frames / hop), width], in chunks; behind the `last` one comes the
/// padding. A causal one needs no last chunk when all chunks are whole hops.
class SeanetEncoder {
 public:
  struct State {
    std::vector<SeanetConv::State> convs;
    std::vector<ResidualUnit::State> units;
    LstmStack::State lstm;
  };
  /// Layer i of the reference's flat list is `prefix`.i.
  SeanetEncoder(Context& context, Checkpoint& checkpoint, const std::string& prefix, const SeanetShape& shape);
  [[nodiscard]] State start(Context& context) const;
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix samples, bool last = false) const;
  /// Latent frames that are complete after so many samples.
  [[nodiscard]] std::int64_t ready(std::int64_t samples) const noexcept;

 private:
  [[nodiscard]] Tensor stage(Context& context, State& state, std::size_t i, ConstMatrix input, bool last) const;

  std::size_t units_per_stage_;
  bool whole_;                       // one piece only
  std::vector<SeanetConv> convs_;    // first, one a ratio, last
  std::vector<ResidualUnit> units_;  // before each strided convolution
  LstmStack lstm_;
};

/// Latent [frames, width] to samples [frames * hop, audio_channels].
class SeanetDecoder {
 public:
  struct State {
    SeanetConv::State first;
    LstmStack::State lstm;
    std::vector<SeanetUpsampler::State> upsamplers;
    std::vector<ResidualUnit::State> units;
    SeanetConv::State last;
  };
  SeanetDecoder(Context& context, Checkpoint& checkpoint, const std::string& prefix, const SeanetShape& shape);
  [[nodiscard]] State start(Context& context) const;
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix latent, bool last = false) const;
  /// Samples that are complete after so many frames.
  [[nodiscard]] std::int64_t ready(std::int64_t frames) const noexcept;

 private:
  [[nodiscard]] Tensor stage(Context& context, State& state, std::size_t i, ConstMatrix input, bool last) const;

  std::size_t units_per_stage_;
  bool whole_;
  SeanetConv first_;
  LstmStack lstm_;
  std::vector<SeanetUpsampler> upsamplers_;
  std::vector<ResidualUnit> units_;
  SeanetConv last_;
};

}  // namespace tessera
