#include "codec/layers/seanet.h"

#include <algorithm>

namespace tessera {
namespace {

ConvLayer::Options causal(const SeanetShape& s, std::int64_t in, std::int64_t out, std::int64_t kernel,
                          Activation before = Activation::none, std::int64_t stride = 1, std::int64_t dilation = 1) {
  ConvLayer::Options options;
  options.shape = {in, out, kernel, stride, dilation, 1};
  options.left = options.shape.extent() - stride;
  options.left_mode = s.left_mode;
  options.before = before;
  return options;
}

std::string layer(const std::string& prefix, int index) { return prefix + "." + std::to_string(index); }

// Saturates far above any size that is allowed.
std::int64_t power(std::int64_t base, int exponent) {
  std::int64_t result = 1;
  for (int i = 0; i < exponent && result < SeanetShape::kMostHop; ++i) result *= base;
  return result;
}

// Activations of about this many floats stay in the second-level cache from one layer to the next.
constexpr std::int64_t kPieceFloats = std::int64_t{96} << 10;

// Runs `part` over x in pieces of `frames` and joins what they return; layers carry their state from piece to piece,
// so that the cut changes no bit.
template <class Part>
Tensor in_pieces(Context& context, ConstMatrix x, std::int64_t frames, std::int64_t out_rows, std::int64_t out_columns,
                 const Part& part) {
  if (x.rows <= frames) return part(x);
  Tensor joined = context.scratch({out_rows, out_columns});
  std::int64_t row = 0;
  for (std::int64_t at = 0; at < x.rows; at += frames) {
    const Tensor piece = part(x.slice(at, std::min(frames, x.rows - at)));
    copy_frames(context, piece, joined.matrix().slice(row, piece.dim(0)));
    row += piece.dim(0);
  }
  return joined;
}

}  // namespace

std::int64_t SeanetShape::hop() const {
  std::int64_t product = 1;
  for (const std::int64_t ratio : ratios) {
    if (product <= kMostHop) product *= ratio;
  }
  return product;
}

ResidualUnit::ResidualUnit(Context& context, Checkpoint& checkpoint, const std::string& name, const SeanetShape& shape,
                           std::int64_t channels, std::int64_t dilation)
    : inner_(context, checkpoint, name + ".block.1.conv",
             causal(shape, channels, channels / shape.compress, shape.residual_kernel, Activation::elu, 1, dilation)),
      outer_(context, checkpoint, name + ".block.3.conv", causal(shape, channels / shape.compress, channels, 1)) {
  if (!shape.conv_shortcut) return;
  shortcut_.emplace_back(context, checkpoint, name + ".shortcut.conv", causal(shape, channels, channels, 1));
}

ResidualUnit::State ResidualUnit::start(Context& context) const {
  return {inner_.start(context), outer_.start(context)};
}

Tensor ResidualUnit::forward(Context& context, State& state, ConstMatrix x) const {
  Epilogue elu;
  elu.activation = Activation::elu;
  const Tensor hidden = inner_.forward(context, state.inner, x, elu);
  Epilogue sum;
  sum.residual = x;
  Tensor shortcut;
  if (!shortcut_.empty()) {
    ConvLayer::State none;
    shortcut = shortcut_.front().forward(context, none, x);
    sum.residual = shortcut;
  }
  return outer_.forward(context, state.outer, hidden, sum);
}

SeanetEncoder::SeanetEncoder(Context& context, Checkpoint& checkpoint, const std::string& prefix, const SeanetShape& s)
    : units_per_stage_(static_cast<std::size_t>(s.residual_layers)) {
  int index = 0;
  std::int64_t channels = s.filters;
  const auto conv = [&](const ConvLayer::Options& options) {
    convs_.emplace_back(context, checkpoint, layer(prefix, index++) + ".conv", options);
  };
  conv(causal(s, s.audio_channels, channels, s.kernel));
  for (auto ratio = s.ratios.rbegin(); ratio != s.ratios.rend(); ++ratio, channels *= 2) {
    for (int j = 0; j < s.residual_layers; ++j) {
      units_.emplace_back(context, checkpoint, layer(prefix, index++), s, channels, power(s.dilation_base, j));
    }
    ++index;  // the activation has its own place in the list
    conv(causal(s, channels, 2 * channels, 2 * *ratio, Activation::elu, *ratio));
  }
  ++index;
  conv(causal(s, channels, s.width, s.last_kernel, Activation::elu));
}

SeanetEncoder::State SeanetEncoder::start(Context& context) const {
  State state;
  for (const ConvLayer& conv : convs_) state.convs.push_back(conv.start(context));
  for (const ResidualUnit& unit : units_) state.units.push_back(unit.start(context));
  return state;
}

// Stage i: its residual units, then its strided convolution; the first also makes channels of the samples.
Tensor SeanetEncoder::stage(Context& context, State& state, std::size_t i, ConstMatrix input) const {
  Tensor x;
  if (i == 0) {
    x = convs_.front().forward(context, state.convs.front(), input);
    input = x;
  }
  for (std::size_t unit = i * units_per_stage_; unit < (i + 1) * units_per_stage_; ++unit) {
    x = units_[unit].forward(context, state.units[unit], input);
    input = x;
  }
  return convs_[i + 1].forward(context, state.convs[i + 1], input);
}

Tensor SeanetEncoder::forward(Context& context, State& state, ConstMatrix samples) const {
  Tensor x;
  ConstMatrix input = samples;
  for (std::size_t i = 0; i + 2 < convs_.size(); ++i) {
    const ConvShape& down = convs_[i + 1].shape();
    const std::int64_t frames = std::max<std::int64_t>(1, kPieceFloats / down.in_channels / down.stride) * down.stride;
    x = in_pieces(context, input, frames, input.rows / down.stride, down.out_channels,
                  [&](ConstMatrix piece) { return stage(context, state, i, piece); });
    input = x;
  }
  return convs_.back().forward(context, state.convs.back(), input);
}

SeanetDecoder::SeanetDecoder(Context& context, Checkpoint& checkpoint, const std::string& prefix, const SeanetShape& s)
    : units_per_stage_(static_cast<std::size_t>(s.residual_layers)),
      first_(context, checkpoint, layer(prefix, 0) + ".conv",
             causal(s, s.width, s.filters << s.ratios.size(), s.kernel)),
      last_(context, checkpoint,
            layer(prefix, static_cast<int>(s.ratios.size()) * (2 + s.residual_layers) + 2) + ".conv",
            causal(s, s.filters, s.audio_channels, s.last_kernel, Activation::elu)) {
  int index = 1;
  std::int64_t channels = s.filters << s.ratios.size();
  for (const std::int64_t ratio : s.ratios) {
    ++index;  // the activation
    const ConvShape shape{channels, channels / 2, 2 * ratio, ratio, 1, 1};
    upsamplers_.emplace_back(context, checkpoint, layer(prefix, index++) + ".conv", shape, true, Activation::elu);
    channels /= 2;
    for (int j = 0; j < s.residual_layers; ++j) {
      units_.emplace_back(context, checkpoint, layer(prefix, index++), s, channels, power(s.dilation_base, j));
    }
  }
}

SeanetDecoder::State SeanetDecoder::start(Context& context) const {
  State state{first_.start(context), {}, {}, last_.start(context)};
  for (const ConvTransposeLayer& upsampler : upsamplers_) state.upsamplers.push_back(upsampler.start(context));
  for (const ResidualUnit& unit : units_) state.units.push_back(unit.start(context));
  return state;
}

// Stage i: its transposed convolution, then its residual units; the last also makes samples of the channels.
Tensor SeanetDecoder::stage(Context& context, State& state, std::size_t i, ConstMatrix input) const {
  Tensor x = upsamplers_[i].forward(context, state.upsamplers[i], input);
  for (std::size_t unit = i * units_per_stage_; unit < (i + 1) * units_per_stage_; ++unit) {
    x = units_[unit].forward(context, state.units[unit], x);
  }
  return i + 1 == upsamplers_.size() ? last_.forward(context, state.last, x) : std::move(x);
}

Tensor SeanetDecoder::forward(Context& context, State& state, ConstMatrix latent) const {
  Tensor x = first_.forward(context, state.first, latent);
  for (std::size_t i = 0; i < upsamplers_.size(); ++i) {
    const ConvShape& up = upsamplers_[i].shape();
    const bool last = i + 1 == upsamplers_.size();
    const std::int64_t columns = last ? last_.shape().out_channels : up.out_channels;
    const std::int64_t frames = std::max<std::int64_t>(1, kPieceFloats / (up.out_channels * up.stride));
    x = in_pieces(context, x, frames, x.dim(0) * up.stride, columns,
                  [&](ConstMatrix piece) { return stage(context, state, i, piece); });
  }
  return x;
}

}  // namespace tessera
