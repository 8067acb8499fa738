#include "codec/layers/time_conv.h"

#include <cmath>

#include "codec/layers/linear.h"
#include "kernels/elementwise.h"

namespace tessera {
namespace {

constexpr std::int64_t kFront = 2;
constexpr double kBatchNormEpsilon = 1e-5;

Conv2dShape shape_of(const TimeConv::Options& o) {
  const std::int64_t pad = o.side / 2;
  return {o.frames * o.in, o.out, o.side, 1, pad, pad, pad, pad};
}

// [out, in, frames, taps] to [out, frames, in, taps].
Conv2dLayer load(Context& context, Checkpoint& checkpoint, const std::string& name, const TimeConv::Options& o) {
  const std::vector<float> stored = checkpoint.floats(name + ".weight", {o.out, o.in, o.frames, o.side, o.side});
  const std::int64_t taps = o.side * o.side;
  std::vector<float> weight;
  weight.reserve(stored.size());
  for (std::int64_t out = 0; out < o.out; ++out) {
    for (std::int64_t t = 0; t < o.frames; ++t) {
      for (std::int64_t in = 0; in < o.in; ++in) {
        const float* from = stored.data() + ((out * o.in + in) * o.frames + t) * taps;
        weight.insert(weight.end(), from, from + taps);
      }
    }
  }
  return {context, weight, checkpoint.floats(name + ".bias", {o.out}), shape_of(o)};
}

}  // namespace

FrameViews views_of(const Frames& frames) { return {frames.begin(), frames.end()}; }

TimeConv::TimeConv(Context& context, Checkpoint& checkpoint, const std::string& name, const Options& options)
    : options_(options), conv_(load(context, checkpoint, name, options)) {}

PictureTensor TimeConv::gather(Context& context, const FrameViews& frames, std::int64_t first) const {
  const std::int64_t in = options_.in;
  PictureTensor joined(context, frames.front().rows, frames.front().columns, options_.frames * in);
  for (std::int64_t t = 0; t < options_.frames; ++t) {
    const Matrix to = joined.view().flat().columns_from(t * in, in);
    const std::int64_t at = first + t;
    at < 0 ? fill(context, 0.0F, to) : copy_rows(context, frames[static_cast<std::size_t>(at)].flat(), to);
  }
  return joined;
}

Frames TimeConv::forward(Context& context, const FrameViews& frames, Activation activation,
                         const FrameViews& residual) const {
  Frames out;
  const auto count = static_cast<std::int64_t>(frames.size());
  for (std::int64_t first = -kFront; first + options_.frames <= count; first += options_.stride) {
    const PictureTensor joined = gather(context, frames, first);
    const ConstPicture around = residual.empty() ? ConstPicture() : residual[out.size()];
    out.push_back(conv_.forward(context, ConstPicture(joined), {activation, around}));
  }
  return out;
}

TimeResnetBlock::TimeResnetBlock(Context& context, Checkpoint& checkpoint, const std::string& name,
                                 std::int64_t channels)
    : norm1_(load_norm(context, checkpoint, name + ".norm1", channels)),
      conv1_(context, checkpoint, name + ".conv1.conv", {channels, channels}),
      norm2_(load_norm(context, checkpoint, name + ".norm2", channels)),
      conv2_(context, checkpoint, name + ".conv2.conv", {channels, channels}) {}

TimeResnetBlock::Norm TimeResnetBlock::load_norm(Context& context, Checkpoint& checkpoint, const std::string& name,
                                                 std::int64_t channels) {
  std::vector<float> scale = checkpoint.floats(name + ".weight", {channels});
  std::vector<float> shift = checkpoint.floats(name + ".bias", {channels});
  const std::vector<float> mean = checkpoint.floats(name + ".running_mean", {channels});
  const std::vector<float> variance = checkpoint.floats(name + ".running_var", {channels});
  for (std::size_t i = 0; i < scale.size(); ++i) {
    const double factor = scale[i] / std::sqrt(static_cast<double>(variance[i]) + kBatchNormEpsilon);
    shift[i] = static_cast<float>(shift[i] - mean[i] * factor);
    scale[i] = static_cast<float>(factor);
  }
  return {to_device(context, scale), to_device(context, shift)};
}

Frames TimeResnetBlock::apply(Context& context, const Norm& norm, const FrameViews& frames) {
  Frames out;
  for (const ConstPicture& frame : frames) {
    const PictureTensor& y = out.emplace_back(context, frame.rows, frame.columns, frame.channels);
    scale_columns(context, frame.flat(), norm.scale.data(), y.view().flat());
    shift_columns(context, y.view().flat(), norm.shift.data(), y.view().flat());
    activate(context, Activation::silu, y.view().flat(), y.view().flat());
  }
  return out;
}

Frames TimeResnetBlock::forward(Context& context, const FrameViews& frames) const {
  Frames h = conv1_.forward(context, views_of(apply(context, norm1_, frames)), Activation::none);
  h = apply(context, norm2_, views_of(h));
  return conv2_.forward(context, views_of(h), Activation::none, frames);
}

}  // namespace tessera
