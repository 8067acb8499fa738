#include "codec/audio/mimo_encoder.h"

namespace tessera {
namespace {

// The public modules pad one frame on both sides whatever the kernel is.
constexpr std::int64_t kSymmetricPadding = 1;

ConvLayer::Options conv_options(const MimoShape& s, std::int64_t in, std::int64_t stride) {
  ConvLayer::Options options;
  options.shape = {in, s.encoder.width, s.kernel, stride, 1, 1};
  options.left = s.causal_convs ? s.kernel - stride : kSymmetricPadding;
  return options;
}

ConvLayer::Options pool_options(const MimoShape& s) {
  ConvLayer::Options options;
  options.shape = {s.encoder.width, s.encoder.width, s.pool, s.pool, 1, 1};
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

MimoEncoder::State MimoEncoder::start(Context& context, Transformer::State transformer) const {
  State state{conv1_.start(context), conv2_.start(context), {}, std::move(transformer)};
  if (!pool_.empty()) state.pool = pool_.front().start(context);
  return state;
}

MimoEncoder::State MimoEncoder::start_stream(Context& context, std::int64_t tokens) const {
  return start(context, transformer_.start_stream(context, tokens * shape_.pool));
}

MimoEncoder::State MimoEncoder::start_whole(Context& context, std::int64_t frames) const {
  const std::int64_t padding = shape_.causal_convs ? 0 : kSymmetricPadding;
  const std::int64_t first = conv1_.shape().output_frames(frames + conv1_.left() + padding);
  const std::int64_t second = conv2_.shape().output_frames(first + conv2_.left() + padding);
  return start(context, transformer_.start_whole(context, second));
}

Tensor MimoEncoder::forward(Context& context, State& state, ConstMatrix mel, bool last) const {
  const std::int64_t right = !last ? ConvLayer::kMore : shape_.causal_convs ? 0 : kSymmetricPadding;
  Tensor x = conv1_.forward(context, state.conv1, mel, gelu(), right);
  x = conv2_.forward(context, state.conv2, x, gelu(), right);
  transformer_.forward(context, state.transformer, x);
  norm_.forward(context, x, x);
  if (pool_.empty()) return x;
  return pool(context, state, x, last);
}

Tensor MimoEncoder::pool(Context& context, State& state, ConstMatrix x, bool last) const {
  const std::int64_t held = (state.pool.rows + x.rows) % shape_.pool;
  const std::int64_t right = !last ? ConvLayer::kMore : held == 0 ? 0 : shape_.pool - held;
  Tensor tokens = pool_.front().forward(context, state.pool, x, gelu(), right);
  pool_norm_.front().forward(context, tokens, tokens);
  return tokens;
}

}  // namespace tessera
