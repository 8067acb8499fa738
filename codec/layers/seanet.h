#pragma once

#include <string>
#include <vector>

#include "codec/layers/conv.h"

namespace tessera {

/// Sizes of a causal SEANet (EnCodec, arXiv 2210.13438; Mimi, arXiv 2410.00037): convolutions, ELU and residual blocks
/// around strided (or transposed) convolutions with kernel 2 * ratio.
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
  PadMode left_mode = PadMode::zeros;

  /// Samples a latent frame; anything above kMostHop only says that it is too large.
  [[nodiscard]] std::int64_t hop() const;
  static constexpr std::int64_t kMostHop = std::int64_t{1} << 20;
};

/// x + conv1(elu(conv_k(elu(x)))), optionally with a convolution on the shortcut.
class ResidualUnit {
 public:
  struct State {
    ConvLayer::State inner;
    ConvLayer::State outer;
  };
  ResidualUnit(Context& context, Checkpoint& checkpoint, const std::string& name, const SeanetShape& shape,
               std::int64_t channels, std::int64_t dilation);
  [[nodiscard]] State start(Context& context) const;
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix x) const;

 private:
  ConvLayer inner_;
  ConvLayer outer_;
  std::vector<ConvLayer> shortcut_;  // none or one
};

/// Samples [frames, audio_channels] to latent [frames / hop, width]; chunks are whole hops.
class SeanetEncoder {
 public:
  struct State {
    std::vector<ConvLayer::State> convs;
    std::vector<ResidualUnit::State> units;
  };
  /// Layer i of the reference's flat list is `prefix`.i.
  SeanetEncoder(Context& context, Checkpoint& checkpoint, const std::string& prefix, const SeanetShape& shape);
  [[nodiscard]] State start(Context& context) const;
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix samples) const;

 private:
  [[nodiscard]] Tensor stage(Context& context, State& state, std::size_t i, ConstMatrix input) const;

  std::size_t units_per_stage_;
  std::vector<ConvLayer> convs_;     // first, one a ratio, last
  std::vector<ResidualUnit> units_;  // before each strided convolution
};

/// Latent [frames, width] to samples [frames * hop, audio_channels].
class SeanetDecoder {
 public:
  struct State {
    ConvLayer::State first;
    std::vector<ConvTransposeLayer::State> upsamplers;
    std::vector<ResidualUnit::State> units;
    ConvLayer::State last;
  };
  SeanetDecoder(Context& context, Checkpoint& checkpoint, const std::string& prefix, const SeanetShape& shape);
  [[nodiscard]] State start(Context& context) const;
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix latent) const;

 private:
  [[nodiscard]] Tensor stage(Context& context, State& state, std::size_t i, ConstMatrix input) const;

  std::size_t units_per_stage_;
  ConvLayer first_;
  std::vector<ConvTransposeLayer> upsamplers_;
  std::vector<ResidualUnit> units_;
  ConvLayer last_;
};

}  // namespace tessera
