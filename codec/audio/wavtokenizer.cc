#include "codec/audio/wavtokenizer.h"

#include "codec/audio/chunked_codec.h"
#include "codec/audio/latency.h"
#include "codec/audio/seanet_config.h"
#include "codec/layers/seanet.h"
#include "codec/layers/synthesis.h"
#include "codec/layers/vocos.h"
#include "codec/quantizer/residual.h"

namespace tessera {
namespace {

constexpr std::int64_t kWavTokenizerChunkFrames = 150;

struct WavTokenizerShape {
  SeanetShape seanet;
  VocosShape vocos;
  SynthesisShape synthesis;
  int sample_rate = 0;
  std::int64_t codebook_size = 0;
  int levels = 0;
};

SeanetShape read_encoder(const Config& config) {
  SeanetShape s = read_seanet_sizes(config, {"dimension", "n_filters", "ratios", "n_residual_layers", "dilation_base"});
  config.require(s.audio_channels == 1, "\"audio_channels\" must be 1");
  s.lstm_layers = static_cast<int>(config.integer("lstm", 0, 16));
  s.conv_shortcut = true;
  s.mode = PadMode::reflect;
  s.causal = false;
  s.conv_suffix = ".conv.conv";
  return s;
}

WavTokenizerShape read_wavtokenizer_shape(const Config& config) {
  WavTokenizerShape s;
  s.sample_rate = static_cast<int>(config.integer("sampling_rate", 1, 1 << 20));
  s.seanet = read_encoder(config);
  s.codebook_size = config.integer("codebook_size", 2, 1 << 20);
  s.levels = static_cast<int>(config.integer("num_quantizers", 1, 1 << 10));
  s.vocos.inputs = s.seanet.width;
  s.vocos.width = config.integer("backbone.dim", 32, 1024);
  config.require(s.vocos.width % 32 == 0, "\"backbone.dim\" must divide by 32, the groups of its norms");
  s.vocos.mlp_width = config.integer("backbone.intermediate_dim", 1, 1 << 16);
  s.vocos.layers = static_cast<int>(config.integer("backbone.num_layers", 0, 1 << 10));
  if (config.has("backbone.adanorm_num_embeddings")) {
    s.vocos.conditions = config.integer("backbone.adanorm_num_embeddings", 1, 1 << 10);
  }
  s.synthesis.width = s.vocos.width;
  s.synthesis.n_fft = config.integer("head.n_fft", 2, 1 << 20);
  s.synthesis.hop = config.integer("head.hop_length", 1, s.synthesis.n_fft);
  const std::string padding = config.string("head.padding");
  config.require(padding == "same" || padding == "center", "\"head.padding\" must be same or center");
  s.synthesis.center = padding == "center";
  return s;
}

std::string wavtokenizer_codebook_name(int level) {
  return "feature_extractor.encodec.quantizer.vq.layers." + std::to_string(level) + "._codebook.embed";
}

class WavTokenizer final : public ChunkedCodec {
 public:
  WavTokenizer(Context& context, const WavTokenizerShape& s, Checkpoint& checkpoint)
      : ChunkedCodec(1, kWavTokenizerChunkFrames),
        shape_(s),
        encoder_(context, checkpoint, "feature_extractor.encodec.encoder.model", s.seanet),
        quantizer_(
            load_codebooks(context, checkpoint, wavtokenizer_codebook_name,
                           std::vector<int>(static_cast<std::size_t>(s.levels), static_cast<int>(s.codebook_size)),
                           s.seanet.width),
            {}),
        backbone_(context, checkpoint, "backbone", s.vocos),
        synthesis_(context, checkpoint, "head", s.synthesis) {
    ignore_training_state(checkpoint);
    checkpoint.finish();
    describe(checkpoint);
  }

 private:
  friend class WavTokenizerEncoding;
  friend class WavTokenizerDecoding;
  std::unique_ptr<ChunkEncoder> start_encoder(Context& context, int levels) const override;
  std::unique_ptr<ChunkDecoder> start_decoder(Context& context) const override;
  void describe(const Checkpoint& checkpoint);

  WavTokenizerShape shape_;
  SeanetEncoder encoder_;
  ResidualQuantizer quantizer_;
  VocosBackbone backbone_;
  Synthesis synthesis_;
};

void WavTokenizer::describe(const Checkpoint& checkpoint) {
  info_.family = "wavtokenizer";
  info_.sample_rate = shape_.sample_rate;
  info_.hop = static_cast<int>(shape_.seanet.hop());
  describe_levels(quantizer_.levels(), shape_.codebook_size);
  info_.encode_latency = encode_latency(info_.hop, 1, [&](std::int64_t n) { return encoder_.ready(n); });
  info_.parameters = checkpoint.parameters();
  info_.segmenting =
      "encoded as a stream with look-ahead; decoded whole, since the decoder sees all frames: memory grows with length";
}

class WavTokenizerEncoding final : public ChunkEncoder {
 public:
  WavTokenizerEncoding(const WavTokenizer& codec, Context& context, int levels)
      : codec_(codec), context_(context), levels_(levels), state_(codec.encoder_.start(context)) {}

  Codes encode(std::span<const float> samples, bool last) override {
    const Tensor input = upload_samples(context_, samples, 1);
    const Tensor latent = codec_.encoder_.forward(context_, state_, input, last);
    Codes codes;
    codec_.quantizer_.encode(context_, latent, levels_, codes.rows);
    return codes;
  }

 private:
  const WavTokenizer& codec_;
  Context& context_;
  int levels_;
  SeanetEncoder::State state_;
};

// Collects the codes of the clip.
class WavTokenizerDecoding final : public ChunkDecoder {
 public:
  WavTokenizerDecoding(const WavTokenizer& codec, Context& context) : codec_(codec), context_(context) {}

  std::vector<float> decode(const Codes& codes) override {
    append_codes(codes_, codes);
    return {};
  }

  std::vector<float> finish() override {
    if (codes_.frames() == 0) return {};
    const Tensor latent = context_.scratch({codes_.frames(), codec_.shape_.seanet.width});
    codec_.quantizer_.decode(context_, codes_, 0, false, latent);
    Synthesis::State state = codec_.synthesis_.start(context_);
    std::vector<float> samples = codec_.synthesis_.push(context_, state, codec_.backbone_.forward(context_, latent));
    const std::vector<float> rest = codec_.synthesis_.finish(context_, state);
    samples.insert(samples.end(), rest.begin(), rest.end());
    return samples;
  }

 private:
  const WavTokenizer& codec_;
  Context& context_;
  Codes codes_;
};

std::unique_ptr<ChunkEncoder> WavTokenizer::start_encoder(Context& context, int levels) const {
  return std::make_unique<WavTokenizerEncoding>(*this, context, levels);
}

std::unique_ptr<ChunkDecoder> WavTokenizer::start_decoder(Context& context) const {
  return std::make_unique<WavTokenizerDecoding>(*this, context);
}

}  // namespace

std::unique_ptr<AudioCodec> load_wavtokenizer(Context& context, const Config& config, Checkpoint& checkpoint) {
  return std::make_unique<WavTokenizer>(context, read_wavtokenizer_shape(config), checkpoint);
}

}  // namespace tessera
