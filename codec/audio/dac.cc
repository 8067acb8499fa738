#include "codec/audio/dac.h"

#include <algorithm>
#include <numeric>

#include "codec/audio/chunked_codec.h"
#include "codec/audio/latency.h"
#include "codec/layers/dac_net.h"
#include "codec/quantizer/projected.h"

namespace tessera {
namespace {

// Samples a chunk, about: enough for busy products, few enough to stay near the cores.
constexpr std::int64_t kChunkSamples = 48000;
constexpr std::int64_t kMostHop = std::int64_t{1} << 20;

struct DacConfig {
  std::string family;
  DacShape net;
  ProjectedQuantizer::Shape quantizer;
  int sample_rate = 0;

  // Latent frames that only come together.
  [[nodiscard]] std::int64_t group() const {
    return std::lcm(quantizer.strides.front(), std::max<std::int64_t>(1, net.attention_window));
  }
};

// The three layouts call the same things by other names.
struct Keys {
  const char *sample_rate, *encoder_width, *encoder_rates, *latent, *decoder_width, *decoder_rates;
};
constexpr Keys kHuggingFace = {"sampling_rate", "encoder_hidden_size", "downsampling_ratios",
                               "hidden_size",   "decoder_hidden_size", "upsampling_ratios"};
constexpr Keys kAuthors = {"sample_rate", "encoder_dim", "encoder_rates", "latent_dim", "decoder_dim", "decoder_rates"};
constexpr Keys kSnac = {"sampling_rate", "encoder_dim", "encoder_rates", "latent_dim", "decoder_dim", "decoder_rates"};

std::vector<std::int64_t> read_rates(const Config& config, const char* key) {
  std::vector<std::int64_t> rates = config.integers(key, 1, 1 << 10);
  config.require(!rates.empty() && rates.size() <= 12, "\"" + std::string(key) + "\" must have 1 to 12 entries");
  std::int64_t hop = 1;
  for (const std::int64_t rate : rates) hop *= std::min(rate, kMostHop / hop + 1);
  config.require(hop <= kMostHop, "\"" + std::string(key) + "\" multiply to more than 2^20");
  return rates;
}

void read_net(const Config& config, const Keys& keys, DacConfig& c) {
  c.sample_rate = static_cast<int>(config.integer(keys.sample_rate, 1, 1 << 20));
  c.net.encoder_width = config.integer(keys.encoder_width, 1, 1 << 12);
  c.net.encoder_rates = read_rates(config, keys.encoder_rates);
  const std::int64_t widest = c.net.encoder_width << c.net.encoder_rates.size();
  c.net.latent = config.has(keys.latent) ? config.integer(keys.latent, 1, 1 << 16) : widest;
  c.net.decoder_width = config.integer(keys.decoder_width, 1, 1 << 16);
  c.net.decoder_rates = read_rates(config, keys.decoder_rates);
  config.require(c.net.decoder_width >> c.net.decoder_rates.size() > 0,
                 "\"" + std::string(keys.decoder_width) + "\" is too small to be halved at each rate");
  c.quantizer.latent = c.net.latent;
  c.quantizer.codebook_size = config.integer("codebook_size", 2, 1 << 20);
  c.quantizer.codebook_width = config.integer("codebook_dim", 1, 1 << 12);
}

DacConfig read_dac(const Config& config) {
  DacConfig c;
  c.family = "dac";
  c.net.hugging_face = config.has(kHuggingFace.encoder_width);
  read_net(config, c.net.hugging_face ? kHuggingFace : kAuthors, c);
  c.quantizer.strides.assign(static_cast<std::size_t>(config.integer("n_codebooks", 1, 1 << 10)), 1);
  return c;
}

DacConfig read_snac(const Config& config) {
  DacConfig c;
  c.family = "snac";
  c.net.snac = true;
  read_net(config, kSnac, c);
  config.require(c.net.latent == c.net.encoder_width << c.net.encoder_rates.size(),
                 "\"latent_dim\" must be \"encoder_dim\" doubled at each rate");
  c.net.depthwise = config.boolean("depthwise");
  c.net.noise = config.boolean("noise");
  if (config.has("attn_window_size")) c.net.attention_window = config.integer("attn_window_size", 1, 1 << 12);
  c.quantizer.strides = config.integers("vq_strides", 1, 1 << 10);
  config.require(!c.quantizer.strides.empty() && c.quantizer.strides.size() <= 64,
                 "\"vq_strides\" must have 1 to 64 entries");
  for (const std::int64_t stride : c.quantizer.strides) {
    config.require(c.quantizer.strides.front() % stride == 0, "every one of \"vq_strides\" must divide the first");
  }
  return c;
}

std::int64_t chunk_frames(const DacConfig& c) {
  return std::max<std::int64_t>(1, kChunkSamples / (c.net.hop() * c.quantizer.strides.front()));
}

class Dac final : public ChunkedCodec {
 public:
  Dac(Context& context, const DacConfig& c, Checkpoint& checkpoint)
      : ChunkedCodec(c.net.hop() * c.group(), chunk_frames(c)),
        config_(c),
        encoder_(context, checkpoint, c.net),
        quantizer_(context, checkpoint, c.quantizer),
        decoder_(context, checkpoint, c.net) {
    if (c.net.noise) ignore_noise(checkpoint);
    ignore_training_state(checkpoint);
    checkpoint.finish();
    describe(checkpoint);
  }

 private:
  friend class DacEncoding;
  friend class DacDecoding;
  std::unique_ptr<ChunkEncoder> start_encoder(Context& context, int levels) const override;
  std::unique_ptr<ChunkDecoder> start_decoder(Context& context) const override;
  static void ignore_noise(Checkpoint& checkpoint);
  void describe(const Checkpoint& checkpoint);

  DacConfig config_;
  DacEncoder encoder_;
  ProjectedQuantizer quantizer_;
  DacDecoder decoder_;
};

void Dac::ignore_noise(Checkpoint& checkpoint) {
  for (const char* part :
       {"weight", "weight_g", "weight_v", "parametrizations.weight.original0", "parametrizations.weight.original1"}) {
    checkpoint.ignore_suffix(std::string(".block.2.linear.") + part);
  }
}

void Dac::describe(const Checkpoint& checkpoint) {
  const std::vector<std::int64_t>& strides = config_.quantizer.strides;
  const std::int64_t hop = config_.net.hop();
  info_.family = config_.family;
  info_.sample_rate = config_.sample_rate;
  info_.hop = static_cast<int>(hop * strides.front());
  describe_levels(quantizer_.levels(), config_.quantizer.codebook_size);
  if (std::any_of(strides.begin(), strides.end(), [&](auto stride) { return stride != strides.front(); })) {
    for (const std::int64_t stride : strides)
      info_.level_multiples.push_back(static_cast<int>(strides.front() / stride));
  }
  info_.streams = true;
  const std::int64_t group = strides.front();
  const std::int64_t frames = 2 * config_.group();  // a window and the next
  info_.encode_latency = encode_latency(info_.hop, frames, [&](std::int64_t n) { return encoder_.ready(n) / group; });
  info_.decode_latency = decode_latency(info_.hop, frames, [&](std::int64_t n) { return decoder_.ready(n * group); });
  info_.parameters = checkpoint.parameters();
  info_.segmenting = "stream with look-ahead: any length in one piece";
}

class DacEncoding final : public ChunkEncoder {
 public:
  DacEncoding(const Dac& codec, Context& context, int levels)
      : codec_(codec), context_(context), levels_(levels), state_(codec.encoder_.start()) {}

  Codes encode(std::span<const float> samples, bool last) override {
    const Tensor input = upload_samples(context_, samples, 1);
    Tensor latent = codec_.encoder_.forward(context_, state_, input, last);
    latent = gate_.pass(context_, std::move(latent), codec_.config_.quantizer.strides.front());
    Codes codes;
    codec_.quantizer_.encode(context_, latent, levels_, codes.rows);
    return codes;
  }

 private:
  const Dac& codec_;
  Context& context_;
  int levels_;
  DacEncoder::State state_;
  FrameGate gate_;
};

class DacDecoding final : public ChunkDecoder {
 public:
  DacDecoding(const Dac& codec, Context& context)
      : codec_(codec), context_(context), state_(codec.decoder_.start(context)) {}

  std::vector<float> decode(const Codes& codes) override {
    frames_ += codes.frames() * codec_.config_.quantizer.strides.front();
    return forward(codec_.quantizer_.decode(context_, codes), false);
  }

  std::vector<float> finish() override {
    const std::int64_t window = std::max<std::int64_t>(1, codec_.config_.net.attention_window);
    if (frames_ % window != 0) {
      throw InputError("bad_codes", "codes: " + std::to_string(frames_) + " frames of the finest level are no whole " +
                                        "number of the decoder's attention windows of " + std::to_string(window));
    }
    if (frames_ == 0) return {};
    return forward(context_.scratch({0, codec_.config_.net.latent}), true);
  }

 private:
  std::vector<float> forward(const Tensor& latent, bool last) {
    return download_samples(context_, codec_.decoder_.forward(context_, state_, latent, last));
  }

  const Dac& codec_;
  Context& context_;
  DacDecoder::State state_;
  std::int64_t frames_ = 0;
};

std::unique_ptr<ChunkEncoder> Dac::start_encoder(Context& context, int levels) const {
  return std::make_unique<DacEncoding>(*this, context, levels);
}

std::unique_ptr<ChunkDecoder> Dac::start_decoder(Context& context) const {
  return std::make_unique<DacDecoding>(*this, context);
}

}  // namespace

std::unique_ptr<AudioCodec> load_dac(Context& context, const Config& config, Checkpoint& checkpoint) {
  return std::make_unique<Dac>(context, read_dac(config), checkpoint);
}

std::unique_ptr<AudioCodec> load_snac(Context& context, const Config& config, Checkpoint& checkpoint) {
  return std::make_unique<Dac>(context, read_snac(config), checkpoint);
}

}  // namespace tessera
