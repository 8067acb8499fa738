#include "codec/layers/lstm.h"

#include "kernels/elementwise.h"

namespace tessera {
namespace {

PackedLstm load_layer(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t width,
                      int layer) {
  const std::string suffix = "_l" + std::to_string(layer);
  const auto tensor = [&](const char* part, const Shape& shape) {
    return checkpoint.floats(name + part + suffix, shape);
  };
  const std::vector<float> input = tensor(".weight_ih", {4 * width, width});
  const std::vector<float> hidden = tensor(".weight_hh", {4 * width, width});
  const DType stored = checkpoint.stored_type(name + ".weight_ih" + suffix);
  return pack_lstm(context, {input.data(), 4 * width, width}, {hidden.data(), 4 * width, width},
                   tensor(".bias_ih", {4 * width}), tensor(".bias_hh", {4 * width}), stored);
}

}  // namespace

LstmStack::LstmStack(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t width,
                     int layers) {
  for (int layer = 0; layer < layers; ++layer) {
    layers_.push_back(load_layer(context, checkpoint, name, width, layer));
  }
}

LstmStack::State LstmStack::start(Context& context) const {
  State state;
  for (const PackedLstm& layer : layers_) state.push_back(start_lstm(context, layer, 1));
  return state;
}

Tensor LstmStack::forward(Context& context, State& state, Tensor x) const {
  if (layers_.empty() || x.dim(0) == 0) return x;
  Tensor hidden;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Tensor out = context.scratch(x.shape());
    lstm(context, i == 0 ? ConstMatrix(x) : ConstMatrix(hidden), 1, layers_[i], state[i], out);
    hidden = std::move(out);
  }
  add(context, x, hidden, x);
  return x;
}

}  // namespace tessera
