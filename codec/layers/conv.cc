#include "codec/layers/conv.h"

#include "kernels/elementwise.h"

namespace tessera {
namespace {

Shape conv_weight_shape(const ConvShape& s) { return {s.out_channels, s.in_channels / s.groups, s.kernel}; }
Shape transposed_weight_shape(const ConvShape& s) { return {s.in_channels, s.out_channels / s.groups, s.kernel}; }

std::vector<float> optional_bias(Checkpoint& checkpoint, const std::string& name, const ConvShape& s, bool bias) {
  return bias ? checkpoint.floats(name + ".bias", {s.out_channels}) : std::vector<float>();
}

}  // namespace

void copy_frames(Context& context, ConstMatrix from, Matrix to) {
  if (from.rows != 0) copy_rows(context, from, to);
}

ConvLayer::ConvLayer(Context& context, Checkpoint& checkpoint, const std::string& name, const Options& options)
    : options_(options) {
  const auto weight = checkpoint.floats(name + ".weight", conv_weight_shape(options.shape));
  const auto bias = optional_bias(checkpoint, name, options.shape, options.bias);
  weights_ = pack_conv1d(context, weight, bias, options.shape, checkpoint.stored_type(name + ".weight"));
}

ConvLayer::State ConvLayer::start(Context& context) const {
  State state;
  state.tail = context.allocate({options_.shape.extent() + options_.left, options_.shape.in_channels});
  state.rows = options_.left;
  return state;
}

// Every output frame sees one input frame and nothing is kept: no copy.
bool ConvLayer::point_wise() const noexcept {
  return options_.shape.kernel == 1 && options_.shape.stride == 1 && options_.left == 0 &&
         options_.before == Activation::none;
}

Tensor ConvLayer::forward(Context& context, State& state, ConstMatrix x, const Epilogue& after,
                          std::int64_t right) const {
  const ConvShape& shape = options_.shape;
  if (point_wise()) {
    Tensor out = context.scratch({x.rows, shape.out_channels});
    conv1d(context, x, weights_, after, out);
    return out;
  }
  const Tensor joined = join(context, state, x, right);
  const ConstMatrix rows = joined;
  Tensor out = context.scratch({shape.output_frames(rows.rows), shape.out_channels});
  conv1d(context, rows, weights_, after, out);
  keep(context, state, rows, out.dim(0) * shape.stride);
  return out;
}

Tensor ConvLayer::join(Context& context, State& state, ConstMatrix x, std::int64_t right) const {
  const Matrix tail = state.tail.matrix();
  const std::int64_t behind = std::max<std::int64_t>(right, 0);
  Tensor joined = context.scratch({state.rows + x.rows + behind, options_.shape.in_channels});
  const Matrix rows = joined.matrix();
  copy_frames(context, tail.slice(0, state.rows), rows.slice(0, state.rows));
  activate(context, options_.before, x, rows.slice(state.rows, x.rows));
  if (behind != 0) fill(context, 0.0F, rows.slice(state.rows + x.rows, behind));
  if (!state.started && x.rows != 0) {
    state.started = true;
    if (options_.left_mode == PadMode::replicate) {
      pad_frames(context, rows.slice(options_.left, 1), options_.left, 0, PadMode::replicate,
                 rows.slice(0, options_.left + 1));
    }
  }
  return joined;
}

void ConvLayer::keep(Context& context, State& state, ConstMatrix rows, std::int64_t used) const {
  state.rows = std::max<std::int64_t>(0, rows.rows - used);
  if (state.rows == 0) return;
  copy_frames(context, rows.slice(used, state.rows), state.tail.matrix().slice(0, state.rows));
}

ConvTransposeLayer::ConvTransposeLayer(Context& context, Checkpoint& checkpoint, const std::string& name,
                                       const ConvShape& shape, bool bias, Activation before)
    : before_(before) {
  const auto weight = checkpoint.floats(name + ".weight", transposed_weight_shape(shape));
  weights_ = pack_conv_transpose1d(context, weight, optional_bias(checkpoint, name, shape, bias), shape,
                                   checkpoint.stored_type(name + ".weight"));
}

ConvTransposeLayer::State ConvTransposeLayer::start(Context& context) const {
  return {context.allocate({weights_.shape.taps() - 1, weights_.shape.in_channels})};
}

Tensor ConvTransposeLayer::forward(Context& context, State& state, ConstMatrix x, std::int64_t extra) const {
  const Matrix tail = state.tail.matrix();
  const std::int64_t context_rows = weights_.shape.taps() - 1;
  const Tensor joined = context.scratch({context_rows + x.rows + extra, weights_.shape.in_channels});
  const Matrix rows = joined.matrix();
  copy_frames(context, tail, rows.slice(0, context_rows));
  activate(context, before_, x, rows.slice(context_rows, x.rows));
  if (extra != 0) fill(context, 0.0F, rows.slice(context_rows + x.rows, extra));
  copy_frames(context, rows.slice(x.rows + extra, context_rows), tail);
  Tensor out = context.scratch({(x.rows + extra) * weights_.shape.stride, weights_.shape.out_channels});
  conv_transpose1d(context, rows, weights_, Activation::none, out);
  return out;
}

}  // namespace tessera
