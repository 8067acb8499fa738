#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "codec/layers/conv.h"
#include "codec/layers/local_attention.h"

namespace tessera {

/// The convolutional network of DAC (Kumar et al. 2023, arXiv 2306.06546) and, with convolutions channel by channel and
/// attention in windows, of SNAC (Siuzdak et al. 2024, arXiv 2410.14411).
struct DacShape {
  std::int64_t encoder_width = 0;  ///< channels at the sample rate; doubled at each rate
  std::vector<std::int64_t> encoder_rates;
  std::int64_t latent = 0;
  std::int64_t decoder_width = 0;  ///< channels at the frame rate; halved at each rate
  std::vector<std::int64_t> decoder_rates;
  bool snac = false;                  ///< SNAC's last encoder layer and its trims of odd rates
  bool depthwise = false;             ///< residual units work channel by channel
  bool noise = false;                 ///< a noise block after each transposed convolution
  std::int64_t attention_window = 0;  ///< 0: none
  bool hugging_face = false;          ///< tensor names of transformers' DacModel

  [[nodiscard]] std::int64_t hop() const;
};

/// What checkpoints call the layers of one block.
struct DacUnitNames {
  std::string snake1, conv1, snake2, conv2;
};
struct DacBlockNames {
  std::array<DacUnitNames, 3> units;
  std::string snake, conv, noise;
};

/// x + conv_1(snake(conv_7(snake(x)))), dilated.
class DacUnit {
 public:
  struct State {
    ConvLayer::State inner;
    DelayLine delay;
  };
  DacUnit(Context& context, Checkpoint& checkpoint, const DacUnitNames& names, std::int64_t channels,
          std::int64_t dilation, bool depthwise);
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix x, bool last) const;
  [[nodiscard]] std::int64_t ready(std::int64_t frames) const noexcept { return inner_.ready(frames); }

 private:
  ConvLayer inner_;
  ConvLayer outer_;
};

/// Samples [n, 1] to latent [n / hop, latent], n in all a multiple of the hop (and of the attention's window).
class DacEncoder {
 public:
  struct State {
    ConvLayer::State first;
    std::vector<DacUnit::State> units;
    std::vector<ConvLayer::State> down;
    LocalAttention::State attention;
    ConvLayer::State last;
  };
  DacEncoder(Context& context, Checkpoint& checkpoint, const DacShape& shape);
  [[nodiscard]] State start() const;
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix samples, bool last) const;
  [[nodiscard]] std::int64_t ready(std::int64_t samples) const noexcept;

 private:
  [[nodiscard]] Tensor stage(Context& context, State& state, std::size_t i, ConstMatrix x, bool last) const;

  ConvLayer first_;
  std::vector<DacUnit> units_;
  std::vector<ConvLayer> down_;
  std::optional<LocalAttention> attention_;
  ConvLayer last_;
};

/// Latent [n, latent] to samples. DAC loses a few samples where a rate is odd.
class DacDecoder {
 public:
  struct State {
    std::vector<ConvLayer::State> first;
    LocalAttention::State attention;
    std::vector<ConvTransposeLayer::State> up;
    std::vector<DacUnit::State> units;
    ConvLayer::State last;
  };
  DacDecoder(Context& context, Checkpoint& checkpoint, const DacShape& shape);
  [[nodiscard]] State start(Context& context) const;
  [[nodiscard]] Tensor forward(Context& context, State& state, ConstMatrix latent, bool last) const;
  [[nodiscard]] std::int64_t ready(std::int64_t frames) const noexcept;

 private:
  [[nodiscard]] Tensor stage(Context& context, State& state, std::size_t i, ConstMatrix x, bool last) const;

  std::vector<ConvLayer> first_;  // SNAC's is a pair
  std::optional<LocalAttention> attention_;
  std::vector<ConvTransposeLayer> up_;
  std::vector<DacUnit> units_;
  std::optional<ConvLayer> last_;
};

}  // namespace tessera
