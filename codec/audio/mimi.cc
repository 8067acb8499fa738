#include "codec/audio/mimi.h"

#include <algorithm>

#include "codec/audio/chunked_codec.h"
#include "codec/audio/seanet_config.h"
#include "codec/layers/conv.h"
#include "codec/layers/seanet.h"
#include "codec/layers/transformer.h"
#include "codec/quantizer/residual.h"

namespace tessera {
namespace {

// Frames a chunk: enough rows to keep the products busy, few enough to keep activations near the cores.
constexpr std::int64_t kMimiChunkFrames = 32;

struct MimiShape {
  SeanetShape seanet;
  TransformerShape transformer;
  int sample_rate = 0;
  std::int64_t latent_stride = 1;  ///< SEANet frames a frame of codes
  bool resamples = false;          ///< has the convolutions between the two rates
  std::int64_t upsample_groups = 1;
  std::int64_t codebook_size = 0;
  std::int64_t codebook_width = 0;
  int levels = 0;
  int semantic_levels = 0;
  bool attention_bias = false;

  [[nodiscard]] std::int64_t hop() const { return seanet.hop() * latent_stride; }
};

SeanetShape read_causal_seanet(const Config& config, const Checkpoint& checkpoint) {
  SeanetShape s = read_seanet(config, checkpoint);
  config.require(s.audio_channels == 1, "\"audio_channels\" must be 1");
  config.require(s.causal, "only causal convolutions are supported (\"use_causal_conv\")");
  config.require(s.mode != PadMode::reflect, "\"pad_mode\" reflect is not causal");
  config.require(s.trim_right_ratio == 1.0, "\"trim_right_ratio\" must be 1");
  return s;
}

TransformerShape read_transformer(const Config& config) {
  TransformerShape t;
  t.width = config.integer("hidden_size", 1, 1 << 16);
  t.layers = static_cast<int>(config.integer("num_hidden_layers", 0, 1 << 10));
  t.heads = static_cast<int>(config.integer("num_attention_heads", 1, 1 << 10));
  t.key_value_heads = static_cast<int>(config.integer("num_key_value_heads", 1, t.heads));
  config.require(t.heads % t.key_value_heads == 0, "\"num_key_value_heads\" must divide \"num_attention_heads\"");
  t.head_dim = config.has("head_dim") ? static_cast<int>(config.integer("head_dim", 2, 1 << 10))
                                      : static_cast<int>(t.width / t.heads);
  config.require(t.head_dim % 2 == 0 && (config.has("head_dim") || t.width % t.heads == 0),
                 "the size of a head must be even");
  t.mlp_width = config.integer("intermediate_size", 1, 1 << 20);
  t.left = config.integer("sliding_window", 1, 1 << 20) - 1;
  t.right = 0;
  t.activation = activation_from_name(config.string("hidden_act"), config.name() + ": \"hidden_act\"");
  t.epsilon = static_cast<float>(config.number("norm_eps"));
  const char* theta = config.has("rope_theta") ? "rope_theta" : "rope_parameters.rope_theta";
  t.rope_theta = static_cast<float>(config.number(theta));
  config.require(t.epsilon >= 0 && t.rope_theta > 0, "\"norm_eps\" must not be negative, \"rope_theta\" be positive");
  if (config.has("rope_parameters.rope_type")) {
    config.require(config.string("rope_parameters.rope_type") == "default",
                   "only the default rotary type is supported");
  }
  return t;
}

// The published configuration gives `frame_rate`; transformers 5 writes `_frame_rate`, which may be null: then it is
// half the SEANet's. Where the two rates differ there is a convolution, even if it turns out to keep the rate.
void read_rates(const Config& config, MimiShape& s) {
  const SeanetShape& seanet = s.seanet;
  const int sample_rate = s.sample_rate;
  const auto seanet_rate = static_cast<double>((sample_rate + seanet.hop() - 1) / seanet.hop());
  const char* key = config.has("frame_rate") ? "frame_rate" : "_frame_rate";
  const double rate =
      config.has(key) ? config.number(key) : static_cast<double>(sample_rate) / static_cast<double>(2 * seanet.hop());
  config.require(rate > 0 && rate <= seanet_rate && seanet_rate / rate < 1024,
                 "the frame rate must be at most the SEANet's and at least a 1024th of it");
  s.resamples = rate != seanet_rate;
  s.latent_stride = static_cast<std::int64_t>(seanet_rate / rate);
}

MimiShape read_mimi_shape(const Config& config, const Checkpoint& checkpoint) {
  MimiShape s;
  s.seanet = read_causal_seanet(config, checkpoint);
  s.transformer = read_transformer(config);
  s.sample_rate = static_cast<int>(config.integer("sampling_rate", 1, 1 << 20));
  read_rates(config, s);
  s.upsample_groups = config.integer("upsample_groups", 1, s.seanet.width);
  config.require(s.seanet.width % s.upsample_groups == 0, "\"upsample_groups\" must divide \"hidden_size\"");
  s.codebook_size = config.integer("codebook_size", 2, 1 << 20);
  s.codebook_width = config.integer("vector_quantization_hidden_dimension", 1, 1 << 16);
  s.levels = static_cast<int>(config.integer("num_quantizers", 1, 1 << 10));
  s.semantic_levels = static_cast<int>(config.integer("num_semantic_quantizers", 1, s.levels));
  s.attention_bias = config.has("attention_bias") && config.boolean("attention_bias");
  return s;
}

TransformerNames transformer_names(bool attention_bias) {
  TransformerNames n;
  n.attention_norm = "input_layernorm";
  n.query = "self_attn.q_proj.weight";
  n.key = "self_attn.k_proj.weight";
  n.value = "self_attn.v_proj.weight";
  n.output = "self_attn.o_proj.weight";
  if (attention_bias) {
    n.query_bias = "self_attn.q_proj.bias";
    n.key_bias = "self_attn.k_proj.bias";
    n.value_bias = "self_attn.v_proj.bias";
    n.output_bias = "self_attn.o_proj.bias";
  }
  n.mlp_norm = "post_attention_layernorm";
  n.mlp_in = "mlp.fc1.weight";
  n.mlp_out = "mlp.fc2.weight";
  n.attention_scale = "self_attn_layer_scale.scale";
  n.mlp_scale = "mlp_layer_scale.scale";
  return n;
}

// The stored sums divided by how often each entry was used.
Codebook load_codebook(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t size,
                       std::int64_t width) {
  std::vector<float> entries = checkpoint.floats(name + ".embed_sum", {size, width});
  const std::vector<float> usage = checkpoint.floats(name + ".cluster_usage", {size});
  for (std::int64_t i = 0; i < size; ++i) {
    const float count = std::max(usage[i], 1e-5F);
    for (std::int64_t j = 0; j < width; ++j) entries[i * width + j] /= count;
  }
  return pack_codebook(context, {entries.data(), size, width});
}

ResidualQuantizer load_branch(Context& context, Checkpoint& checkpoint, const std::string& branch, int levels,
                              const MimiShape& s) {
  const std::string name = "quantizer." + branch + "_residual_vector_quantizer";
  std::vector<Codebook> codebooks;
  for (int i = 0; i < levels; ++i) {
    codebooks.push_back(load_codebook(context, checkpoint, name + ".layers." + std::to_string(i) + ".codebook",
                                      s.codebook_size, s.codebook_width));
  }
  std::vector<LinearLayer> projections;
  if (s.codebook_width != s.seanet.width) {
    using Parts = std::vector<LinearLayer::Part>;
    projections.emplace_back(context, checkpoint, Parts{{name + ".input_proj.weight", "", s.codebook_width}},
                             s.seanet.width, Math::exact);
    projections.emplace_back(context, checkpoint, Parts{{name + ".output_proj.weight", "", s.seanet.width}},
                             s.codebook_width, Math::exact);
  }
  return {std::move(codebooks), std::move(projections)};
}

ConvLayer::Options downsample_options(const MimiShape& s) {
  ConvLayer::Options options;
  options.shape = {s.seanet.width, s.seanet.width, 2 * s.latent_stride, s.latent_stride, 1, 1};
  options.left = s.latent_stride;
  options.mode = PadMode::replicate;
  options.bias = false;
  return options;
}

ConvTransposeLayer::Options upsample_options(const MimiShape& s) {
  ConvTransposeLayer::Options options;
  options.shape = {s.seanet.width, s.seanet.width, 2 * s.latent_stride, s.latent_stride, 1, s.upsample_groups};
  options.bias = false;
  return options;
}

class Mimi final : public ChunkedCodec {
 public:
  Mimi(Context& context, const MimiShape& s, Checkpoint& checkpoint)
      : ChunkedCodec(s.hop(), kMimiChunkFrames),
        shape_(s),
        encoder_(context, checkpoint, "encoder.layers", s.seanet),
        encoder_transformer_(context, checkpoint, "encoder_transformer.layers", s.transformer,
                             transformer_names(s.attention_bias)),
        semantic_(load_branch(context, checkpoint, "semantic", s.semantic_levels, s)),
        acoustic_(load_branch(context, checkpoint, "acoustic", s.levels - s.semantic_levels, s)),
        decoder_transformer_(context, checkpoint, "decoder_transformer.layers", s.transformer,
                             transformer_names(s.attention_bias)),
        decoder_(context, checkpoint, "decoder.layers", s.seanet) {
    if (s.resamples) {
      downsample_.emplace_back(context, checkpoint, "downsample.conv", downsample_options(s));
      upsample_.emplace_back(context, checkpoint, "upsample.conv", upsample_options(s));
    }
    ignore_training_state(checkpoint);
    checkpoint.finish();
    describe(checkpoint);
  }

 private:
  friend class MimiEncoding;
  friend class MimiDecoding;
  std::unique_ptr<ChunkEncoder> start_encoder(Context& context, int levels) const override;
  std::unique_ptr<ChunkDecoder> start_decoder(Context& context) const override;
  void describe(const Checkpoint& checkpoint);

  MimiShape shape_;
  SeanetEncoder encoder_;
  Transformer encoder_transformer_;
  std::vector<ConvLayer> downsample_;  // none or one
  ResidualQuantizer semantic_;
  ResidualQuantizer acoustic_;
  std::vector<ConvTransposeLayer> upsample_;
  Transformer decoder_transformer_;
  SeanetDecoder decoder_;
};

void Mimi::describe(const Checkpoint& checkpoint) {
  info_.family = "mimi";
  info_.sample_rate = shape_.sample_rate;
  info_.hop = static_cast<int>(shape_.hop());
  describe_levels(shape_.levels, shape_.codebook_size);
  info_.streams = true;
  info_.parameters = checkpoint.parameters();
  info_.segmenting = "causal stream: any length in one piece";
}

// Samples of whole frames to codes.
class MimiEncoding final : public ChunkEncoder {
 public:
  MimiEncoding(const Mimi& codec, Context& context, int levels)
      : codec_(codec),
        context_(context),
        levels_(levels),
        encoder_(codec.encoder_.start(context)),
        transformer_(codec.encoder_transformer_.start_stream(context, kMimiChunkFrames * codec.shape_.latent_stride)) {}

  Codes encode(std::span<const float> samples, bool) override {
    if (samples.empty()) return {};
    const Tensor input = upload_samples(context_, samples, 1);
    Tensor x = codec_.encoder_.forward(context_, encoder_, input);
    codec_.encoder_transformer_.forward(context_, transformer_, x);
    if (!codec_.downsample_.empty()) x = codec_.downsample_.front().forward(context_, downsample_, x);
    Codes codes;
    const int semantic = std::min(levels_, codec_.semantic_.levels());
    codec_.semantic_.encode(context_, x, semantic, codes.rows);
    if (levels_ > semantic) codec_.acoustic_.encode(context_, x, levels_ - semantic, codes.rows);
    return codes;
  }

 private:
  const Mimi& codec_;
  Context& context_;
  int levels_;
  SeanetEncoder::State encoder_;
  Transformer::State transformer_;
  ConvLayer::State downsample_;
};

class MimiDecoding final : public ChunkDecoder {
 public:
  MimiDecoding(const Mimi& codec, Context& context)
      : codec_(codec),
        context_(context),
        transformer_(codec.decoder_transformer_.start_stream(context, kMimiChunkFrames * codec.shape_.latent_stride)),
        decoder_(codec.decoder_.start(context)) {
    if (!codec.upsample_.empty()) upsample_ = codec.upsample_.front().start(context);
  }

  std::vector<float> decode(const Codes& codes) override {
    Tensor x = context_.scratch({codes.frames(), codec_.shape_.seanet.width});
    codec_.semantic_.decode(context_, codes, 0, false, x);
    const int semantic = codec_.semantic_.levels();
    if (static_cast<int>(codes.rows.size()) > semantic) codec_.acoustic_.decode(context_, codes, semantic, true, x);
    if (!codec_.upsample_.empty()) x = codec_.upsample_.front().forward(context_, upsample_, x);
    codec_.decoder_transformer_.forward(context_, transformer_, x);
    return download_samples(context_, codec_.decoder_.forward(context_, decoder_, x));
  }

 private:
  const Mimi& codec_;
  Context& context_;
  ConvTransposeLayer::State upsample_;
  Transformer::State transformer_;
  SeanetDecoder::State decoder_;
};

std::unique_ptr<ChunkEncoder> Mimi::start_encoder(Context& context, int levels) const {
  return std::make_unique<MimiEncoding>(*this, context, levels);
}

std::unique_ptr<ChunkDecoder> Mimi::start_decoder(Context& context) const {
  return std::make_unique<MimiDecoding>(*this, context);
}

}  // namespace

std::unique_ptr<AudioCodec> load_mimi(Context& context, const Config& config, Checkpoint& checkpoint) {
  return std::make_unique<Mimi>(context, read_mimi_shape(config, checkpoint), checkpoint);
}

}  // namespace tessera
