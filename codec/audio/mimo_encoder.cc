#include "codec/audio/mimo_encoder.h"

namespace tessera {
namespace {

// The public modules pad one frame on both sides whatever the kernel is.
constexpr std::int64_t kSymmetricPadding = 1;

ConvLayer::Options conv_options(const MimoShape& s, std::int64_t in, std::int64_t stride) {
  ConvLayer::Options options;
  options.shape = {in, s.encoder.width, s.kernel, stride, 1, 1};
  options.left = s.causal_convs ? s.kernel - stride : kSymmetricPadding;
  options.right = s.causal_convs ? 0 : kSymmetricPadding;
  return options;
}

ConvLayer::Options pool_options(const MimoShape& s) {
  ConvLayer::Options options;
  options.shape = {s.encoder.width, s.encoder.width, s.pool, s.pool, 1, 1};
  options.fill = true;
  options.bias = false;
  return options;
}

Epilogue gelu() {
  Epilogue after;
  after.activation = Activation::gelu;
  return after;
}

}  // namespace

MimoEncoder::MimoEncoder(Context& context, Checkpoint& checkpoint, const MimoShape& s)
    : shape_(s),
      mel_(context, s.mel),
      conv1_(context, checkpoint, "encoder.conv1", conv_options(s, s.mel.bands, 1)),
      conv2_(context, checkpoint, "encoder.conv2", conv_options(s, s.encoder.width, s.stride)),
      transformer_(context, checkpoint, "encoder.layers", s.encoder, mimo_transformer_names()),
      norm_(context, checkpoint, "encoder.layer_norm", s.encoder.width, s.encoder.norm, s.encoder.epsilon) {
  if (s.pool == 1) return;
  pool_.emplace_back(context, checkpoint, "encoder.down_sample_layer.0", pool_options(s));
  pool_norm_.emplace_back(context, checkpoint, "encoder.down_sample_norm", s.encoder.width, s.encoder.norm,
                          s.encoder.epsilon);
}

MimoEncoder::State MimoEncoder::start(Transformer::State transformer) { return {{}, {}, {}, std::move(transformer)}; }

MimoEncoder::State MimoEncoder::start_stream(Context& context, std::int64_t tokens) const {
  return start(transformer_.start_stream(context, tokens * shape_.pool));
}

MimoEncoder::State MimoEncoder::start_whole(Context& context, std::int64_t frames) const {
  return start(transformer_.start_whole(context, conv2_.output_frames(conv1_.output_frames(frames))));
}

Tensor MimoEncoder::forward(Context& context, State& state, ConstMatrix mel, bool last) const {
  Tensor x = conv1_.forward(context, state.conv1, mel, gelu(), last);
  x = conv2_.forward(context, state.conv2, x, gelu(), last);
  transformer_.forward(context, state.transformer, x);
  norm_.forward(context, x, x);
  if (pool_.empty()) return x;
  Tensor tokens = pool_.front().forward(context, state.pool, x, gelu(), last);
  pool_norm_.front().forward(context, tokens, tokens);
  return tokens;
}

}  // namespace tessera
