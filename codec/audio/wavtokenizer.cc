#include "codec/audio/wavtokenizer.h"

#include "codec/audio/chunked_stream.h"
#include "codec/audio/latency.h"
#include "codec/layers/seanet.h"
#include "codec/layers/synthesis.h"
#include "codec/layers/vocos.h"
#include "codec/quantizer/residual.h"

namespace tessera {
namespace {

constexpr std::int64_t kChunkFrames = 150;

struct WavTokenizerShape {
  SeanetShape seanet;
  VocosShape vocos;
  SynthesisShape synthesis;
  int sample_rate = 0;
  std::int64_t codebook_size = 0;
  int levels = 0;
};

void require(const Config& config, bool holds, const std::string& what) {
  if (!holds) throw CheckpointError(config.name() + ": " + what);
}

SeanetShape read_encoder(const Config& config) {
  SeanetShape s;
  s.audio_channels = config.integer("audio_channels", 1, 1);
  s.width = config.integer("dimension", 1, 1 << 16);
  s.filters = config.integer("n_filters", 1, 1 << 14);
  s.ratios = config.integers("ratios", 1, 1 << 10);
  require(config, !s.ratios.empty() && s.ratios.size() <= 16, "\"ratios\" must have 1 to 16 entries");
  require(config, s.hop() <= SeanetShape::kMostHop, "\"ratios\" multiply to more than 2^20");
  s.kernel = config.integer("kernel_size", 1, 1 << 10);
  s.last_kernel = config.integer("last_kernel_size", 1, 1 << 10);
  s.residual_kernel = config.integer("residual_kernel_size", 1, 1 << 10);
  s.residual_layers = static_cast<int>(config.integer("n_residual_layers", 0, 16));
  s.dilation_base = config.integer("dilation_base", 1, 16);
  s.compress = config.integer("compress", 1, s.filters);
  s.lstm_layers = static_cast<int>(config.integer("lstm", 0, 16));
  s.conv_shortcut = true;
  s.mode = PadMode::reflect;
  s.causal = false;
  s.conv_suffix = ".conv.conv";
  return s;
}

WavTokenizerShape read_shape(const Config& config) {
  WavTokenizerShape s;
  s.sample_rate = static_cast<int>(config.integer("sampling_rate", 1, 1 << 20));
  s.seanet = read_encoder(config);
  s.codebook_size = config.integer("codebook_size", 2, 1 << 20);
  s.levels = static_cast<int>(config.integer("num_quantizers", 1, 1 << 10));
  s.vocos.inputs = s.seanet.width;
  s.vocos.width = config.integer("backbone.dim", 32, 1024);
  require(config, s.vocos.width % 32 == 0, "\"backbone.dim\" must divide by 32, the groups of its norms");
  s.vocos.mlp_width = config.integer("backbone.intermediate_dim", 1, 1 << 16);
  s.vocos.layers = static_cast<int>(config.integer("backbone.num_layers", 0, 1 << 10));
  if (config.has("backbone.adanorm_num_embeddings")) {
    s.vocos.conditions = config.integer("backbone.adanorm_num_embeddings", 1, 1 << 10);
  }
  s.synthesis.width = s.vocos.width;
  s.synthesis.n_fft = config.integer("head.n_fft", 2, 1 << 20);
  s.synthesis.hop = config.integer("head.hop_length", 1, s.synthesis.n_fft);
  const std::string padding = config.string("head.padding");
  require(config, padding == "same" || padding == "center", "\"head.padding\" must be same or center");
  s.synthesis.center = padding == "center";
  return s;
}

std::vector<Codebook> load_codebooks(Context& context, Checkpoint& checkpoint, const WavTokenizerShape& s) {
  std::vector<Codebook> codebooks;
  for (int i = 0; i < s.levels; ++i) {
    const std::string name = "feature_extractor.encodec.quantizer.vq.layers." + std::to_string(i) + "._codebook.embed";
    const auto entries = checkpoint.floats(name, {s.codebook_size, s.seanet.width});
    codebooks.push_back(pack_codebook(context, {entries.data(), s.codebook_size, s.seanet.width}));
  }
  return codebooks;
}

class WavTokenizer final : public AudioCodec {
 public:
  WavTokenizer(Context& context, const WavTokenizerShape& s, Checkpoint& checkpoint)
      : shape_(s),
        encoder_(context, checkpoint, "feature_extractor.encodec.encoder.model", s.seanet),
        quantizer_(load_codebooks(context, checkpoint, s), {}),
        backbone_(context, checkpoint, "backbone", s.vocos),
        synthesis_(context, checkpoint, "head", s.synthesis) {
    for (const char* unused : {"_codebook.embed_avg", "_codebook.cluster_size", "_codebook.inited", "istft.window"}) {
      checkpoint.ignore_suffix(unused);
    }
    checkpoint.finish();
    describe(checkpoint);
  }

  const AudioCodecInfo& info() const override { return info_; }
  std::unique_ptr<EncodeStream> encode_stream(Context& context, int levels) const override;
  std::unique_ptr<DecodeStream> decode_stream(Context& context) const override;

 private:
  friend class WavTokenizerEncoding;
  friend class WavTokenizerDecoding;
  void describe(const Checkpoint& checkpoint);

  WavTokenizerShape shape_;
  AudioCodecInfo info_;
  SeanetEncoder encoder_;
  ResidualQuantizer quantizer_;
  VocosBackbone backbone_;
  Synthesis synthesis_;
};

void WavTokenizer::describe(const Checkpoint& checkpoint) {
  info_.family = "wavtokenizer";
  info_.sample_rate = shape_.sample_rate;
  info_.hop = static_cast<int>(shape_.seanet.hop());
  info_.levels = quantizer_.levels();
  info_.codebook_sizes.assign(static_cast<std::size_t>(info_.levels), static_cast<int>(shape_.codebook_size));
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
    const Tensor input = context_.scratch({static_cast<std::int64_t>(samples.size()), 1});
    context_.upload(samples.data(), input.bytes(), samples.size_bytes());
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

std::unique_ptr<EncodeStream> WavTokenizer::encode_stream(Context& context, int levels) const {
  const int count = checked_levels(info_, levels);
  return std::make_unique<ChunkedEncodeStream>(context, std::make_unique<WavTokenizerEncoding>(*this, context, count),
                                               info_, count, 1, kChunkFrames);
}

std::unique_ptr<DecodeStream> WavTokenizer::decode_stream(Context& context) const {
  return std::make_unique<ChunkedDecodeStream>(context, std::make_unique<WavTokenizerDecoding>(*this, context), info_,
                                               kChunkFrames);
}

}  // namespace

std::unique_ptr<AudioCodec> load_wavtokenizer(Context& context, const Config& config, Checkpoint& checkpoint) {
  return std::make_unique<WavTokenizer>(context, read_shape(config), checkpoint);
}

}  // namespace tessera
