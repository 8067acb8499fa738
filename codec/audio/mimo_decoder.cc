#include "codec/audio/mimo_decoder.h"

namespace tessera {
namespace {

constexpr float kEpsilon = 1e-5F;

ConvTransposeLayer::Options up_options(const ConvShape& shape) {
  ConvTransposeLayer::Options options;
  options.shape = shape;
  return options;
}

ConvShape up_shape(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride) {
  return {in, out, kernel, stride, 1, 1};
}

}  // namespace

NormedUpsampler::NormedUpsampler(Context& context, Checkpoint& checkpoint, const std::string& name,
                                 const ConvShape& shape, bool frame_norm)
    : conv_(context, checkpoint, name + ".conv", up_options(shape)),
      weight_(load_vector(context, checkpoint, name + ".norm.weight", shape.out_channels)),
      bias_(load_vector(context, checkpoint, name + ".norm.bias", shape.out_channels)),
      frame_norm_(frame_norm) {}

Tensor NormedUpsampler::forward(Context& context, State& state, ConstMatrix x) const {
  const ConvShape& s = conv_.shape();
  if (frame_norm_) {
    Tensor out = conv_.forward(context, state, x);
    layer_norm(context, out, weight_.data(), bias_.data(), kEpsilon, out);
    return out;
  }
  if (x.rows == 0) return context.scratch({0, s.out_channels});
  const Tensor all = conv_.advance(context, state, x, s.taps() - 1);
  const Matrix whole = all.matrix().slice(0, (x.rows - 1) * s.stride + s.kernel);
  group_norm(context, whole, 1, weight_.data(), bias_.data(), kEpsilon, whole);
  return copy_of(context, whole.slice(0, x.rows * s.stride));
}

MimoDecoder::MimoDecoder(Context& context, Checkpoint& checkpoint, const MimoShape& s)
    : shape_(s),
      transformer_(context, checkpoint, "decoder.layers", s.decoder, mimo_transformer_names()),
      norm_(context, checkpoint, "decoder.layer_norm", s.decoder.width, s.decoder.norm, s.decoder.epsilon),
      up2_(context, checkpoint, "decoder.dconv2",
           up_shape(s.decoder.width, s.mel.bands, s.decoder_kernel, s.decoder_stride), s.frame_norm),
      embeddings_(context, checkpoint, {{"decoder.vocoder.embeddings.weight", "", s.vocoder.width}}, s.mel.bands),
      vocoder_(context, checkpoint, "decoder.vocoder.layers", s.vocoder, mimo_transformer_names()),
      vocoder_norm_(context, checkpoint, "decoder.vocoder.layer_norm", s.vocoder.width, s.vocoder.norm,
                    s.vocoder.epsilon),
      synthesis_(context, checkpoint, "decoder.vocoder.head", s.synthesis) {
  if (s.pool == 1) return;
  up1_.emplace_back(context, checkpoint, "decoder.dconv1", up_shape(s.decoder.width, s.decoder.width, s.pool, s.pool),
                    s.frame_norm);
}

MimoDecoder::State MimoDecoder::start(Context& context, Transformer::State transformer,
                                      Transformer::State vocoder) const {
  State state{{}, std::move(transformer), up2_.start(context), std::move(vocoder), synthesis_.start(context)};
  if (!up1_.empty()) state.up1 = up1_.front().start(context);
  return state;
}

MimoDecoder::State MimoDecoder::start_stream(Context& context, std::int64_t tokens) const {
  const std::int64_t frames = tokens * shape_.pool;
  return start(context, transformer_.start_stream(context, frames),
               vocoder_.start_stream(context, frames * shape_.decoder_stride));
}

MimoDecoder::State MimoDecoder::start_whole(Context& context, std::int64_t tokens) const {
  const std::int64_t frames = tokens * shape_.pool;
  return start(context, transformer_.start_whole(context, frames),
               vocoder_.start_whole(context, frames * shape_.decoder_stride));
}

std::vector<float> MimoDecoder::push(Context& context, State& state, ConstMatrix tokens) const {
  Tensor x;
  if (up1_.empty()) {
    x = context.scratch({tokens.rows, tokens.columns});
    copy_frames(context, tokens, x);
  } else {
    x = up1_.front().forward(context, state.up1, tokens);
  }
  transformer_.forward(context, state.transformer, x);
  norm_.forward(context, x, x);
  const Tensor mel = up2_.forward(context, state.up2, x);
  Tensor hidden = embeddings_.forward(context, mel);
  vocoder_.forward(context, state.vocoder, hidden);
  vocoder_norm_.forward(context, hidden, hidden);
  return synthesis_.push(context, state.synthesis, hidden);
}

std::vector<float> MimoDecoder::finish(Context& context, State& state) const {
  return synthesis_.finish(context, state.synthesis);
}

}  // namespace tessera
