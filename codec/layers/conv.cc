#include "codec/layers/conv.h"

#include <algorithm>

#include "codec/checkpoint/weight_norm.h"
#include "kernels/elementwise.h"
#include "kernels/padding.h"

namespace tessera {
namespace {

std::vector<float> optional_bias(Checkpoint& checkpoint, const std::string& name, const ConvShape& s, bool bias) {
  return bias ? checkpoint.floats(name + ".bias", {s.out_channels}) : std::vector<float>();
}

PackedConv load_conv(Context& context, Checkpoint& checkpoint, const std::string& name,
                     const ConvLayer::Options& options) {
  const ConvShape& s = options.shape;
  const LayerWeight weight = layer_weight(checkpoint, name, {s.out_channels, s.in_channels / s.groups, s.kernel});
  return pack_conv1d(context, weight.values, optional_bias(checkpoint, name, s, options.bias), s,
                     {weight.stored, options.math});
}

PackedConv load_transposed(Context& context, Checkpoint& checkpoint, const std::string& name, const ConvShape& s,
                           bool bias) {
  const LayerWeight weight = layer_weight(checkpoint, name, {s.in_channels, s.out_channels / s.groups, s.kernel});
  return pack_conv_transpose1d(context, weight.values, optional_bias(checkpoint, name, s, bias), s,
                               {weight.stored, Math::fast});
}

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

void copy_frames(Context& context, ConstMatrix from, Matrix to) {
  if (from.rows != 0) copy_rows(context, from, to);
}

Tensor copy_of(Context& context, ConstMatrix rows) {
  Tensor copy = context.scratch({rows.rows, rows.columns});
  copy_frames(context, rows, copy);
  return copy;
}

Tensor concatenate(Context& context, std::vector<Tensor> parts, std::int64_t columns) {
  if (parts.size() == 1) return std::move(parts.front());
  std::int64_t rows = 0;
  for (const Tensor& part : parts) rows += part.dim(0);
  Tensor joined = context.scratch({rows, columns});
  std::int64_t at = 0;
  for (const Tensor& part : parts) {
    copy_frames(context, part, joined.matrix().slice(at, part.dim(0)));
    at += part.dim(0);
  }
  return joined;
}

ConstMatrix DelayLine::exchange(Context& context, ConstMatrix x, std::int64_t count) {
  const std::int64_t before = held();
  Tensor joined = context.scratch({before + x.rows, x.columns});
  if (before != 0) copy_frames(context, frames_.matrix().slice(given_, before), joined.matrix().slice(0, before));
  copy_frames(context, x, joined.matrix().slice(before, x.rows));
  frames_ = std::move(joined);
  given_ = count;
  return ConstMatrix(frames_).slice(0, count);
}

ConvLayer::ConvLayer(Context& context, Checkpoint& checkpoint, const std::string& name, const Options& options,
                     PointLayer before)
    : options_(options), before_(std::move(before)), weights_(load_conv(context, checkpoint, name, options)) {
  if (options.shape.extent() < options.shape.stride) {
    throw CheckpointError(name + ": a convolution whose stride is longer than its kernel is not supported");
  }
}

// Every output frame sees one input frame and nothing is kept: no copy.
bool ConvLayer::point_wise() const noexcept {
  return options_.shape.kernel == 1 && options_.shape.stride == 1 && options_.left == 0 && options_.right == 0 &&
         before_.identity();
}

std::int64_t ConvLayer::padding_behind(std::int64_t frames) const noexcept {
  if (!options_.fill) return options_.right;
  const std::int64_t beyond =
      std::max<std::int64_t>(0, frames + options_.left + options_.right - options_.shape.extent());
  const std::int64_t windows = divide_up(beyond, options_.shape.stride);
  return windows * options_.shape.stride + options_.shape.extent() - options_.left - frames;
}

// Frames behind the first one that the padding in front mirrors; also how many the padding behind may need.
std::int64_t ConvLayer::mirror() const noexcept {
  if (options_.mode != PadMode::reflect) return 0;
  return std::max(options_.left, options_.right + (options_.fill ? options_.shape.stride - 1 : 0));
}

std::int64_t ConvLayer::ready(std::int64_t frames) const noexcept {
  if (frames == 0 || (options_.mode == PadMode::reflect && frames <= options_.left)) return 0;
  return options_.shape.output_frames(options_.left + frames);
}

std::int64_t ConvLayer::output_frames(std::int64_t frames) const noexcept {
  return frames == 0 ? 0 : options_.shape.output_frames(options_.left + frames + padding_behind(frames));
}

Tensor ConvLayer::forward(Context& context, State& state, ConstMatrix x, const Epilogue& after, bool last) const {
  const ConvShape& shape = options_.shape;
  if (point_wise()) {
    Tensor out = context.scratch({x.rows, shape.out_channels});
    conv1d(context, x, weights_, after, out);
    return out;
  }
  const Tensor joined = join(context, state, x, last);
  const ConstMatrix rows = joined;
  const ConstMatrix windows = rows.slice(state.used, rows.rows - state.used);
  Tensor out = context.scratch({state.started ? shape.output_frames(windows.rows) : 0, shape.out_channels});
  conv1d(context, state.started ? windows : windows.slice(0, 0), weights_, after, out);
  if (!last) keep(context, state, rows, state.used + out.dim(0) * shape.stride);
  return out;
}

Tensor ConvLayer::join(Context& context, State& state, ConstMatrix x, bool last) const {
  state.total += x.rows;
  const bool begins =
      !state.started && state.total > 0 && (last || options_.mode != PadMode::reflect || state.total > options_.left);
  const std::int64_t front = begins ? options_.left : 0;
  const std::int64_t behind = last && state.total > 0 ? padding_behind(state.total) : 0;
  const std::int64_t end = front + state.rows + x.rows;
  Tensor joined = context.scratch({end + behind, options_.shape.in_channels});
  const Matrix rows = joined;
  if (state.rows != 0) copy_frames(context, state.kept, rows.slice(front, state.rows));
  before_.forward(context, x, rows.slice(end - x.rows, x.rows));
  pad(context, rows, 0, front, -front, state.total, end);
  pad(context, rows, end, behind, state.total, state.total, end);
  state.started = state.started || begins;
  return joined;
}

// Fills rows [first, first + count), which stand for frames `frame`, ... of an input of `total` frames, the last of
// which is row end - 1.
void ConvLayer::pad(Context& context, Matrix rows, std::int64_t first, std::int64_t count, std::int64_t frame,
                    std::int64_t total, std::int64_t end) const {
  if (count == 0) return;
  if (options_.mode == PadMode::zeros) return fill(context, 0.0F, rows.slice(first, count));
  const std::int64_t longest = std::max(options_.left, padding_behind(total));
  const std::int64_t frames = options_.mode == PadMode::reflect ? std::max(total, longest + 1) : total;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t source = padded_source(frame + i, frames, options_.mode);
    const Matrix to = rows.slice(first + i, 1);
    source < total ? copy_frames(context, rows.slice(end - total + source, 1), to) : fill(context, 0.0F, to);
  }
}

void ConvLayer::keep(Context& context, State& state, ConstMatrix rows, std::int64_t used) const {
  const std::int64_t first = std::clamp<std::int64_t>(rows.rows - mirror() - 1, 0, used);
  const std::int64_t from = mirror() == 0 ? used : first;
  state.rows = rows.rows - from;
  state.used = used - from;
  state.kept = copy_of(context, rows.slice(from, state.rows));
}

ConvTransposeLayer::ConvTransposeLayer(Context& context, Checkpoint& checkpoint, const std::string& name,
                                       const Options& options, PointLayer before)
    : options_(options),
      before_(std::move(before)),
      weights_(load_transposed(context, checkpoint, name, options.shape, options.bias)) {}

ConvTransposeLayer::ConvTransposeLayer(PackedConv weights) : weights_(std::move(weights)) {
  options_.shape = weights_.shape;
}

ConvTransposeLayer::State ConvTransposeLayer::start(Context& context) const {
  return {context.allocate({options_.shape.taps() - 1, options_.shape.in_channels})};
}

std::int64_t ConvTransposeLayer::ready(std::int64_t frames) const noexcept {
  return std::max<std::int64_t>(0, frames * options_.shape.stride - options_.trim);
}

std::int64_t ConvTransposeLayer::size(std::int64_t frames) const noexcept {
  return frames == 0 ? 0 : frames * options_.shape.stride + options_.grow;
}

Tensor ConvTransposeLayer::forward(Context& context, State& state, ConstMatrix x, bool last) const {
  const std::int64_t stride = options_.shape.stride;
  const std::int64_t made = state.frames * stride;
  const std::int64_t frames = state.frames + x.rows;
  const std::int64_t end = last ? options_.trim + size(frames) : frames * stride;
  const std::int64_t extra = frames == 0 ? 0 : std::max<std::int64_t>(0, divide_up(end, stride) - frames);
  Tensor all = advance(context, state, x, extra);
  const std::int64_t first = std::max(made, options_.trim);
  if (first == made && end == made + all.dim(0)) return all;
  return copy_of(context, all.matrix().slice(first - made, std::max<std::int64_t>(0, end - first)));
}

Tensor ConvTransposeLayer::advance(Context& context, State& state, ConstMatrix x, std::int64_t extra) const {
  const Matrix tail = state.tail.matrix();
  const std::int64_t context_rows = options_.shape.taps() - 1;
  const Tensor joined = context.scratch({context_rows + x.rows + extra, options_.shape.in_channels});
  const Matrix rows = joined.matrix();
  copy_frames(context, tail, rows.slice(0, context_rows));
  before_.forward(context, x, rows.slice(context_rows, x.rows));
  if (extra != 0) fill(context, 0.0F, rows.slice(context_rows + x.rows, extra));
  copy_frames(context, rows.slice(x.rows + extra, context_rows), tail);
  state.frames += x.rows;
  Tensor out = context.scratch({(x.rows + extra) * options_.shape.stride, options_.shape.out_channels});
  conv_transpose1d(context, rows, weights_, Activation::none, out);
  return out;
}

}  // namespace tessera
