#include "codec/layers/vocos.h"

#include <cmath>

#include "kernels/attention.h"
#include "kernels/norm.h"

namespace tessera {
namespace {

constexpr float kVocosEpsilon = 1e-6F;
constexpr std::int64_t kGroups = 32;

ConvLayer::Options centred(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t groups = 1) {
  ConvLayer::Options options;
  options.shape = {in, out, kernel, 1, 1, groups};
  options.left = options.right = kernel / 2;
  return options;
}

Tensor whole(Context& context, const ConvLayer& conv, ConstMatrix x, const Epilogue& after = {}) {
  ConvLayer::State state;
  return conv.forward(context, state, x, after, true);
}

LinearLayer::Part part(const std::string& name, std::int64_t outputs) {
  return {name + ".weight", name + ".bias", outputs};
}

// The first row of an embedding, or the vector of a plain norm.
Tensor load_row(Context& context, Checkpoint& checkpoint, const std::string& adaptive, const std::string& plain,
                const VocosShape& s) {
  if (s.conditions == 0) return load_vector(context, checkpoint, plain, s.width);
  std::vector<float> rows = checkpoint.floats(adaptive, {s.conditions, s.width});
  rows.resize(static_cast<std::size_t>(s.width));
  return to_device(context, rows);
}

}  // namespace

ClipNorm::ClipNorm(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t channels)
    : weight_(load_vector(context, checkpoint, name + ".weight", channels)),
      bias_(load_vector(context, checkpoint, name + ".bias", channels)) {}

Tensor ClipNorm::forward(Context& context, ConstMatrix x) const {
  Tensor out = context.scratch({x.rows, x.columns});
  group_norm(context, x, kGroups, weight_.data(), bias_.data(), kVocosEpsilon, out);
  return out;
}

ClipResidual::ClipResidual(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t channels)
    : norm1_(context, checkpoint, name + ".norm1", channels),
      norm2_(context, checkpoint, name + ".norm2", channels),
      conv1_(context, checkpoint, name + ".conv1", centred(channels, channels, 3), Activation::silu),
      conv2_(context, checkpoint, name + ".conv2", centred(channels, channels, 3), Activation::silu) {}

void ClipResidual::forward(Context& context, Matrix x) const {
  const Tensor hidden = whole(context, conv1_, norm1_.forward(context, x));
  Epilogue sum;
  sum.residual = x;
  copy_frames(context, whole(context, conv2_, norm2_.forward(context, hidden), sum), x);
}

ClipAttention::ClipAttention(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t channels)
    : width_(channels),
      norm_(context, checkpoint, name + ".norm", channels),
      qkv_(context, checkpoint, {part(name + ".q", channels), part(name + ".k", channels), part(name + ".v", channels)},
           channels),
      out_(context, checkpoint, {part(name + ".proj_out", channels)}, channels) {}

void ClipAttention::forward(Context& context, Matrix x) const {
  const Tensor qkv = qkv_.forward(context, norm_.forward(context, x));
  const Matrix rows = qkv;
  KeyValueCache cache(context, 1, static_cast<int>(width_), x.rows);
  cache.append(context, 0, rows.columns_from(width_, width_), rows.columns_from(2 * width_, width_));
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(width_)));
  const AttentionShape shape{1, 1, static_cast<int>(width_), -1, -1, scale};
  const Tensor mixed = context.scratch({x.rows, width_});
  attend(context, cache, shape, rows.columns_from(0, width_), 0, 0, x.rows, mixed);
  Epilogue sum;
  sum.residual = x;
  out_.forward_into(context, mixed, sum, x);
}

ConditionedNorm::ConditionedNorm(Context& context, Checkpoint& checkpoint, const std::string& name,
                                 const VocosShape& shape)
    : weight_(load_row(context, checkpoint, name + ".scale.weight", name + ".weight", shape)),
      bias_(load_row(context, checkpoint, name + ".shift.weight", name + ".bias", shape)) {}

void ConditionedNorm::forward(Context& context, Matrix x) const {
  layer_norm(context, x, weight_.data(), bias_.data(), kVocosEpsilon, x);
}

ConvNextBlock::ConvNextBlock(Context& context, Checkpoint& checkpoint, const std::string& name, const VocosShape& s)
    : depthwise_(context, checkpoint, name + ".dwconv", centred(s.width, s.width, 7, s.width)),
      norm_(context, checkpoint, name + ".norm", s),
      in_(context, checkpoint, {part(name + ".pwconv1", s.mlp_width)}, s.width),
      out_(context, checkpoint, {part(name + ".pwconv2", s.width)}, s.mlp_width),
      gamma_(load_vector(context, checkpoint, name + ".gamma", s.width)) {}

void ConvNextBlock::forward(Context& context, Matrix x) const {
  const Tensor hidden = whole(context, depthwise_, x);
  norm_.forward(context, hidden);
  Epilogue gelu;
  gelu.activation = Activation::gelu;
  const Tensor wide = in_.forward(context, hidden, gelu);
  Epilogue sum;
  sum.scale = gamma_.data();
  sum.residual = x;
  out_.forward_into(context, wide, sum, x);
}

VocosBackbone::VocosBackbone(Context& context, Checkpoint& checkpoint, const std::string& name, const VocosShape& s)
    : embed_(context, checkpoint, name + ".embed", centred(s.inputs, s.width, 7)),
      attention_(context, checkpoint, name + ".pos_net.2", s.width),
      position_norm_(context, checkpoint, name + ".pos_net.5", s.width),
      norm_(context, checkpoint, name + ".norm", s),
      final_norm_(context, checkpoint, name + ".final_layer_norm", s.width, NormLayer::Kind::layer, kVocosEpsilon) {
  for (const int index : {0, 1, 3, 4}) {
    residuals_.emplace_back(context, checkpoint, name + ".pos_net." + std::to_string(index), s.width);
  }
  for (int i = 0; i < s.layers; ++i) {
    blocks_.emplace_back(context, checkpoint, name + ".convnext." + std::to_string(i), s);
  }
}

Tensor VocosBackbone::forward(Context& context, ConstMatrix input) const {
  const Tensor embedded = whole(context, embed_, input);
  for (std::size_t i = 0; i < residuals_.size(); ++i) {
    if (i == 2) attention_.forward(context, embedded);
    residuals_[i].forward(context, embedded);
  }
  Tensor x = position_norm_.forward(context, embedded);
  norm_.forward(context, x);
  for (const ConvNextBlock& block : blocks_) block.forward(context, x);
  final_norm_.forward(context, x, x);
  return x;
}

}  // namespace tessera
