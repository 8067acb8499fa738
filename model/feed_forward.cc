#include "model/feed_forward.h"

#include "kernels/elementwise.h"

namespace tessera {
namespace {

LinearLayer::Part part(const std::string& name, bool bias, std::int64_t outputs) {
  return {name + ".weight", bias ? name + ".bias" : "", outputs};
}

}  // namespace

GatedMlp::GatedMlp(Context& context, Checkpoint& checkpoint, const std::string& prefix, std::int64_t hidden,
                   std::int64_t width, Activation activation, bool bias)
    : width_(width),
      activation_(activation),
      gate_up_(context, checkpoint, {part(prefix + "gate_proj", bias, width), part(prefix + "up_proj", bias, width)},
               hidden),
      down_(context, checkpoint, {part(prefix + "down_proj", bias, hidden)}, width) {}

Matrix GatedMlp::combine(Context& context, Matrix both) const {
  const Matrix gate = both.columns_from(0, width_);
  activate(context, activation_, gate, gate);
  multiply(context, gate, both.columns_from(width_, width_), gate);
  return gate;
}

void GatedMlp::forward(Context& context, ConstMatrix x, ConstMatrix residual, Matrix out) const {
  const Tensor both = gate_up_.forward(context, x);
  Epilogue after;
  after.residual = residual;
  down_.forward_into(context, combine(context, both), after, out);
}

}  // namespace tessera
