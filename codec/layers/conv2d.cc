#include "codec/layers/conv2d.h"

namespace tessera {
namespace {

Shape weight_shape(const Checkpoint& checkpoint, const std::string& name, const Conv2dShape& s, std::int64_t out) {
  if (s.kernel == 1 && checkpoint.has(name) && checkpoint.shape_of(name).size() == 2) return {out, s.in_channels};
  return {out, s.in_channels, s.kernel, s.kernel};
}

PackedConv2d load(Context& context, Checkpoint& checkpoint, const std::vector<std::string>& names, const Conv2dShape& s,
                  Math math) {
  std::vector<float> weights;
  std::vector<float> biases;
  const std::int64_t out = s.out_channels / static_cast<std::int64_t>(names.size());
  DType storage =
      checkpoint.has(names.front() + ".weight") ? checkpoint.stored_type(names.front() + ".weight") : DType::f32;
  for (const std::string& name : names) {
    const std::string tensor = name + ".weight";
    const std::vector<float> weight = checkpoint.floats(tensor, weight_shape(checkpoint, tensor, s, out));
    const std::vector<float> bias = checkpoint.floats(name + ".bias", {out});
    weights.insert(weights.end(), weight.begin(), weight.end());
    biases.insert(biases.end(), bias.begin(), bias.end());
    if (checkpoint.stored_type(tensor) != storage) storage = DType::f32;
  }
  return pack_conv2d(context, weights, biases, s, {storage, math});
}

}  // namespace

Conv2dLayer::Conv2dLayer(Context& context, Checkpoint& checkpoint, const std::vector<std::string>& names,
                         const Conv2dShape& shape, Math math)
    : conv_(load(context, checkpoint, names, shape, math)) {}

Conv2dLayer::Conv2dLayer(Context& context, const std::vector<float>& weight, const std::vector<float>& bias,
                         const Conv2dShape& shape, Math math)
    : conv_(pack_conv2d(context, weight, bias, shape, {DType::f32, math})) {}

PictureTensor Conv2dLayer::forward(Context& context, const Conv2dInput& input, const Conv2dEpilogue& after) const {
  const Conv2dShape& s = conv_.shape;
  PictureTensor out(context, s.output_rows(input.x.rows * input.enlarge),
                    s.output_columns(input.x.columns * input.enlarge), s.out_channels);
  conv2d(context, input, conv_, after, out);
  return out;
}

Conv2dShape same_3x3(std::int64_t in, std::int64_t out) { return {in, out, 3, 1, 1, 1, 1, 1}; }

Conv2dShape down_3x3(std::int64_t channels) { return {channels, channels, 3, 2, 0, 0, 1, 1}; }

Conv2dShape point_1x1(std::int64_t in, std::int64_t out) { return {in, out, 1, 1, 0, 0, 0, 0}; }

}  // namespace tessera
