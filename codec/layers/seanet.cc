#include "codec/layers/seanet.h"

#include <algorithm>
#include <cmath>

#include "codec/layers/linear.h"
#include "codec/layers/pieces.h"
#include "kernels/elementwise.h"
#include "kernels/norm.h"

namespace tessera {
namespace {

constexpr float kSeanetEpsilon = 1e-5F;

ConvLayer::Options padded(const SeanetShape& s, const SeanetConv::Size& size) {
  ConvLayer::Options options;
  options.shape = {size.in, size.out, size.kernel, size.stride, size.dilation, 1};
  const std::int64_t padding = options.shape.extent() - size.stride;
  options.right = s.causal ? 0 : padding / 2;
  options.left = padding - options.right;
  options.fill = true;
  options.mode = s.mode;
  return options;
}

ConvTransposeLayer::Options trimmed(const SeanetShape& s, std::int64_t in, std::int64_t stride) {
  ConvTransposeLayer::Options options;
  options.shape = {in, in / 2, 2 * stride, stride, 1, 1};
  const double right = s.causal ? std::ceil(static_cast<double>(stride) * s.trim_right_ratio)
                                : std::floor(static_cast<double>(stride) / 2);
  options.trim = stride - static_cast<std::int64_t>(right);
  return options;
}

std::string layer(const std::string& prefix, int index) { return prefix + "." + std::to_string(index); }

// Saturates far above any size that is allowed.
std::int64_t power(std::int64_t base, int exponent) {
  std::int64_t result = 1;
  for (int i = 0; i < exponent && result < SeanetShape::kMostHop; ++i) result *= base;
  return result;
}

}  // namespace

std::int64_t SeanetShape::hop() const {
  std::int64_t product = 1;
  for (const std::int64_t ratio : ratios) {
    if (product <= kMostHop) product *= ratio;
  }
  return product;
}

TimeNorm::TimeNorm(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t channels,
                   bool present) {
  if (!present) return;
  weight_ = load_vector(context, checkpoint, name + ".weight", channels);
  bias_ = load_vector(context, checkpoint, name + ".bias", channels);
}

void TimeNorm::forward(Context& context, Matrix x) const {
  if (present() && x.rows != 0) group_norm(context, x, 1, weight_.data(), bias_.data(), kSeanetEpsilon, x);
}

SeanetConv::SeanetConv(Context& context, Checkpoint& checkpoint, const std::string& name, const SeanetShape& shape,
                       const Size& size, Activation before)
    : conv_(context, checkpoint, name + shape.conv_suffix, padded(shape, size), before),
      norm_(context, checkpoint, name + ".norm", size.out, shape.time_norm) {}

Tensor SeanetConv::forward(Context& context, State& state, ConstMatrix x, const Epilogue& after, bool last) const {
  if (!norm_.present()) return conv_.forward(context, state, x, after, last);
  Tensor out = conv_.forward(context, state, x, {}, last);
  norm_.forward(context, out);
  activate(context, after.activation, out, out);
  if (after.residual.data != nullptr) add(context, out, after.residual, out);
  return out;
}

SeanetUpsampler::SeanetUpsampler(Context& context, Checkpoint& checkpoint, const std::string& name,
                                 const SeanetShape& shape, std::int64_t in, std::int64_t stride)
    : conv_(context, checkpoint, name + shape.transposed_suffix, trimmed(shape, in, stride), Activation::elu),
      norm_(context, checkpoint, name + ".norm", in / 2, shape.time_norm) {}

Tensor SeanetUpsampler::forward(Context& context, State& state, ConstMatrix x, bool last) const {
  if (!norm_.present() || x.rows == 0) return conv_.forward(context, state, x, last);
  const Tensor all = conv_.advance(context, state, x, conv_.shape().taps() - 1);
  norm_.forward(context, all);
  return copy_of(context, all.matrix().slice(conv_.trim(), conv_.size(x.rows)));
}

ResidualUnit::ResidualUnit(Context& context, Checkpoint& checkpoint, const std::string& name, const SeanetShape& shape,
                           std::int64_t channels, std::int64_t dilation)
    : inner_(context, checkpoint, name + ".block.1", shape,
             {channels, channels / shape.compress, shape.residual_kernel, 1, dilation}, Activation::elu),
      outer_(context, checkpoint, name + ".block.3", shape, {channels / shape.compress, channels, 1}) {
  if (!shape.conv_shortcut) return;
  shortcut_.emplace(context, checkpoint, name + ".shortcut", shape, SeanetConv::Size{channels, channels, 1});
}

Tensor ResidualUnit::forward(Context& context, State& state, ConstMatrix x, bool last) const {
  Epilogue elu;
  elu.activation = Activation::elu;
  const Tensor hidden = inner_.forward(context, state.inner, x, elu, last);
  ConstMatrix beside = x;
  if (state.delay.held() != 0 || hidden.dim(0) != x.rows) beside = state.delay.exchange(context, x, hidden.dim(0));
  Tensor shortcut;
  if (shortcut_) {
    shortcut = shortcut_->forward(context, state.shortcut, beside, {}, last);
    beside = shortcut;
  }
  Epilogue sum;
  sum.residual = beside;
  return outer_.forward(context, state.outer, hidden, sum, last);
}

SeanetEncoder::SeanetEncoder(Context& context, Checkpoint& checkpoint, const std::string& prefix, const SeanetShape& s)
    : units_per_stage_(static_cast<std::size_t>(s.residual_layers)),
      whole_(s.time_norm),
      lstm_(context, checkpoint,
            layer(prefix, static_cast<int>(s.ratios.size()) * (2 + s.residual_layers) + 1) + ".lstm",
            s.filters << s.ratios.size(), s.lstm_layers) {
  int index = 0;
  std::int64_t channels = s.filters;
  const auto conv = [&](const SeanetConv::Size& size, Activation before) {
    convs_.emplace_back(context, checkpoint, layer(prefix, index++), s, size, before);
  };
  conv({s.audio_channels, channels, s.kernel}, Activation::none);
  for (auto ratio = s.ratios.rbegin(); ratio != s.ratios.rend(); ++ratio, channels *= 2) {
    for (int j = 0; j < s.residual_layers; ++j) {
      units_.emplace_back(context, checkpoint, layer(prefix, index++), s, channels, power(s.dilation_base, j));
    }
    ++index;  // the activation has its own place in the list
    conv({channels, 2 * channels, 2 * *ratio, *ratio}, Activation::elu);
  }
  index += s.lstm_layers > 0 ? 2 : 1;
  conv({channels, s.width, s.last_kernel}, Activation::elu);
}

SeanetEncoder::State SeanetEncoder::start(Context& context) const {
  State state;
  state.convs.resize(convs_.size());
  state.units.resize(units_.size());
  state.lstm = lstm_.start(context);
  return state;
}

// Stage i: its residual units, then its strided convolution; the first also makes channels of the samples.
Tensor SeanetEncoder::stage(Context& context, State& state, std::size_t i, ConstMatrix input, bool last) const {
  Tensor x;
  if (i == 0) {
    x = convs_.front().forward(context, state.convs.front(), input, {}, last);
    input = x;
  }
  for (std::size_t unit = i * units_per_stage_; unit < (i + 1) * units_per_stage_; ++unit) {
    x = units_[unit].forward(context, state.units[unit], input, last);
    input = x;
  }
  return convs_[i + 1].forward(context, state.convs[i + 1], input, {}, last);
}

Tensor SeanetEncoder::forward(Context& context, State& state, ConstMatrix samples, bool last) const {
  Tensor x;
  ConstMatrix input = samples;
  for (std::size_t i = 0; i + 2 < convs_.size(); ++i) {
    const ConvShape& down = convs_[i + 1].shape();
    const std::int64_t frames = piece_frames(down.in_channels * down.stride) * down.stride;
    x = in_pieces(context, input, whole_ ? std::max(frames, input.rows) : frames, down.out_channels, last,
                  [&](ConstMatrix piece, bool end) { return stage(context, state, i, piece, end); });
    input = x;
  }
  x = lstm_.forward(context, state.lstm, std::move(x));
  return convs_.back().forward(context, state.convs.back(), x, {}, last);
}

std::int64_t SeanetEncoder::ready(std::int64_t samples) const noexcept {
  std::int64_t frames = convs_.front().ready(samples);
  for (std::size_t i = 0; i + 2 < convs_.size(); ++i) {
    for (std::size_t u = 0; u < units_per_stage_; ++u) frames = units_[i * units_per_stage_ + u].ready(frames);
    frames = convs_[i + 1].ready(frames);
  }
  return convs_.back().ready(frames);
}

SeanetDecoder::SeanetDecoder(Context& context, Checkpoint& checkpoint, const std::string& prefix, const SeanetShape& s)
    : units_per_stage_(static_cast<std::size_t>(s.residual_layers)),
      whole_(s.time_norm),
      first_(context, checkpoint, layer(prefix, 0), s, {s.width, s.filters << s.ratios.size(), s.kernel}),
      lstm_(context, checkpoint, layer(prefix, 1) + ".lstm", s.filters << s.ratios.size(), s.lstm_layers),
      last_(context, checkpoint,
            layer(prefix, static_cast<int>(s.ratios.size()) * (2 + s.residual_layers) + (s.lstm_layers > 0 ? 3 : 2)), s,
            {s.filters, s.audio_channels, s.last_kernel}, Activation::elu) {
  int index = s.lstm_layers > 0 ? 2 : 1;
  std::int64_t channels = s.filters << s.ratios.size();
  for (const std::int64_t ratio : s.ratios) {
    ++index;  // the activation
    upsamplers_.emplace_back(context, checkpoint, layer(prefix, index++), s, channels, ratio);
    channels /= 2;
    for (int j = 0; j < s.residual_layers; ++j) {
      units_.emplace_back(context, checkpoint, layer(prefix, index++), s, channels, power(s.dilation_base, j));
    }
  }
}

SeanetDecoder::State SeanetDecoder::start(Context& context) const {
  State state;
  state.lstm = lstm_.start(context);
  for (const SeanetUpsampler& upsampler : upsamplers_) state.upsamplers.push_back(upsampler.start(context));
  state.units.resize(units_.size());
  return state;
}

// Stage i: its transposed convolution, then its residual units; the last also makes samples of the channels.
Tensor SeanetDecoder::stage(Context& context, State& state, std::size_t i, ConstMatrix input, bool last) const {
  Tensor x = upsamplers_[i].forward(context, state.upsamplers[i], input, last);
  for (std::size_t unit = i * units_per_stage_; unit < (i + 1) * units_per_stage_; ++unit) {
    x = units_[unit].forward(context, state.units[unit], x, last);
  }
  return i + 1 == upsamplers_.size() ? last_.forward(context, state.last, x, {}, last) : std::move(x);
}

Tensor SeanetDecoder::forward(Context& context, State& state, ConstMatrix latent, bool last) const {
  Tensor x = first_.forward(context, state.first, latent, {}, last);
  x = lstm_.forward(context, state.lstm, std::move(x));
  for (std::size_t i = 0; i < upsamplers_.size(); ++i) {
    const ConvShape& up = upsamplers_[i].shape();
    const std::int64_t columns = i + 1 == upsamplers_.size() ? last_.shape().out_channels : up.out_channels;
    const std::int64_t frames = piece_frames(up.out_channels * up.stride);
    x = in_pieces(context, x, whole_ ? std::max(frames, x.dim(0)) : frames, columns, last,
                  [&](ConstMatrix piece, bool end) { return stage(context, state, i, piece, end); });
  }
  return x;
}

std::int64_t SeanetDecoder::ready(std::int64_t frames) const noexcept {
  frames = first_.ready(frames);
  for (std::size_t i = 0; i < upsamplers_.size(); ++i) {
    frames = upsamplers_[i].ready(frames);
    for (std::size_t u = 0; u < units_per_stage_; ++u) frames = units_[i * units_per_stage_ + u].ready(frames);
  }
  return last_.ready(frames);
}

}  // namespace tessera
