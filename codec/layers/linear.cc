#include "codec/layers/linear.h"

namespace tessera {
namespace {

// The narrowest type that holds every part as stored.
DType common_type(const Checkpoint& checkpoint, const std::vector<LinearLayer::Part>& parts) {
  const DType first = checkpoint.stored_type(parts.front().weight);
  for (const auto& part : parts) {
    if (checkpoint.stored_type(part.weight) != first) return DType::f32;
  }
  return first;
}

// A point-wise convolution is a linear layer with one more axis.
Shape weight_shape(const Checkpoint& checkpoint, const LinearLayer::Part& part, std::int64_t inputs) {
  Shape shape{part.outputs, inputs};
  if (checkpoint.stores(part.weight) && checkpoint.shape_of(part.weight).size() == 3) shape.push_back(1);
  return shape;
}

}  // namespace

Tensor to_device(Context& context, const std::vector<float>& values) {
  Tensor tensor = context.allocate({static_cast<std::int64_t>(values.size())});
  context.upload(values.data(), tensor.bytes(), values.size() * sizeof(float));
  return tensor;
}

Tensor load_vector(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t size) {
  return to_device(context, checkpoint.floats(name, {size}));
}

LinearLayer::LinearLayer(Context& context, Checkpoint& checkpoint, const std::vector<Part>& parts, std::int64_t inputs,
                         Math math) {
  std::vector<TensorRows> rows;
  std::vector<StoredRows> weights;
  std::vector<float> biases;
  bool any_bias = false;
  for (const Part& part : parts) {
    rows.push_back(checkpoint.rows(part.weight, weight_shape(checkpoint, part, inputs)));
    weights.push_back(rows.back().stored);
    any_bias = any_bias || !part.bias.empty();
    const auto bias = part.bias.empty() ? std::vector<float>(static_cast<std::size_t>(part.outputs))
                                        : checkpoint.floats(part.bias, {part.outputs});
    biases.insert(biases.end(), bias.begin(), bias.end());
  }
  weights_ = pack_weights(context, WeightSource(weights, inputs), {common_type(checkpoint, parts), math});
  if (any_bias) bias_ = to_device(context, biases);
}

LinearLayer::LinearLayer(Context& context, ConstMatrix weight, DType storage)
    : weights_(pack_weights(context, weight, {storage, Math::fast})) {}

Tensor LinearLayer::forward(Context& context, ConstMatrix x, Epilogue after) const {
  Tensor out = context.scratch({x.rows, weights_.outputs});
  forward_into(context, x, after, out);
  return out;
}

void LinearLayer::forward_into(Context& context, ConstMatrix x, Epilogue after, Matrix out) const {
  forward_into(context, x, after, out, {0, weights_.outputs});
}

void LinearLayer::forward_into(Context& context, ConstMatrix x, Epilogue after, Matrix out, OutputRange only) const {
  after.bias = bias_.data();
  product(context, x, weights_, after, out, only);
}

NormLayer::NormLayer(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t width, Kind kind,
                     float epsilon)
    : kind_(kind), epsilon_(epsilon), weight_(load_vector(context, checkpoint, name + ".weight", width)) {
  if (kind == Kind::layer) bias_ = load_vector(context, checkpoint, name + ".bias", width);
}

void NormLayer::forward(Context& context, ConstMatrix x, Matrix out) const {
  if (kind_ == Kind::rms) return rms_norm(context, x, weight_.data(), epsilon_, out);
  layer_norm(context, x, weight_.data(), bias_.data(), epsilon_, out);
}

}  // namespace tessera
