#include "codec/audio/mimo.h"

#include <algorithm>

#include "codec/audio/chunked_codec.h"
#include "codec/audio/mimo_decoder.h"
#include "codec/audio/mimo_encoder.h"
#include "codec/quantizer/residual.h"

namespace tessera {
namespace {

// The official host's segments.
constexpr std::int64_t kSegmentMelFrames = 6000;
constexpr std::int64_t kSegmentTokens = 1500;
constexpr std::int64_t kChunkTokens = 50;

std::string mimo_codebook_name(int level) {
  return "encoder.quantizer.vq.layers." + std::to_string(level) + "._codebook.embed";
}

class Mimo final : public ChunkedCodec {
 public:
  Mimo(Context& context, const MimoShape& shape, Checkpoint& checkpoint)
      : ChunkedCodec(shape.hop(), kChunkTokens),
        shape_(shape),
        encoder_(context, checkpoint, shape),
        quantizer_(load_codebooks(context, checkpoint, mimo_codebook_name, shape.codebook_sizes, shape.encoder.width),
                   {}),
        decoder_(context, checkpoint, shape) {
    ignore_training_state(checkpoint);
    checkpoint.finish();
    describe(checkpoint);
  }

  std::unique_ptr<EncodeStream> encode_stream(Context& context, int levels) const override;

  const MimoShape& shape() const { return shape_; }
  const MimoEncoder& encoder() const { return encoder_; }
  const MimoDecoder& decoder() const { return decoder_; }
  const ResidualQuantizer& quantizer() const { return quantizer_; }

 private:
  std::unique_ptr<ChunkEncoder> start_encoder(Context& context, int levels) const override;
  std::unique_ptr<ChunkDecoder> start_decoder(Context& context) const override;
  void describe(const Checkpoint& checkpoint);

  MimoShape shape_;
  MimoEncoder encoder_;
  ResidualQuantizer quantizer_;
  MimoDecoder decoder_;
};

void Mimo::describe(const Checkpoint& checkpoint) {
  info_.family = "mimo-audio-tokenizer";
  info_.sample_rate = shape_.mel.sample_rate;
  info_.hop = static_cast<int>(shape_.hop());
  info_.levels = quantizer_.levels();
  info_.codebook_sizes = shape_.codebook_sizes;
  info_.streams = shape_.encoder_streams() && shape_.decoder_streams();
  info_.encode_latency = shape_.encoder_streams() ? 0 : kSegmentMelFrames * shape_.mel.hop;
  info_.decode_latency = shape_.decoder_streams()
                             ? shape_.synthesis.n_fft - shape_.synthesis.hop - shape_.synthesis.trim()
                             : kSegmentTokens * shape_.hop();
  info_.parameters = checkpoint.parameters();
  info_.segmenting = info_.streams ? "causal stream: any length in one piece"
                                   : "segments of 6000 mel frames encoded, of 1500 code frames decoded, each alone";
}

// A causal member: any number of whole tokens.
class CausalEncoding final : public ChunkEncoder {
 public:
  CausalEncoding(const Mimo& codec, Context& context, int levels)
      : codec_(codec),
        context_(context),
        levels_(levels),
        mel_(codec.encoder().mel().start()),
        state_(codec.encoder().start_stream(context, kChunkTokens)) {}

  Codes encode(std::span<const float> samples, bool) override {
    if (samples.empty()) return {};
    const Tensor mel = codec_.encoder().mel().push(context_, mel_, samples);
    const Tensor latent = codec_.encoder().forward(context_, state_, mel, false);
    Codes codes;
    codec_.quantizer().encode(context_, latent, levels_, codes.rows);
    return codes;
  }

 private:
  const Mimo& codec_;
  Context& context_;
  int levels_;
  MelFrontEnd::State mel_;
  MimoEncoder::State state_;
};

// Everybody else: the mel of the whole file, in segments that do not know of each other.
class MelSegmentEncodeStream final : public EncodeStream {
 public:
  MelSegmentEncodeStream(const Mimo& codec, Context& context, int levels)
      : codec_(codec), context_(context), levels_(levels), mel_(codec.encoder().mel().start()) {}

  Codes push(std::span<const float> samples) override {
    // Bounded blocks, so that the mel of a long push is not held at once.
    Codes codes = no_codes(levels_);
    const auto block = static_cast<std::size_t>(kSegmentMelFrames * codec_.shape().mel.hop);
    for (std::size_t at = 0; at < samples.size(); at += block) {
      const auto part = samples.subspan(at, std::min(block, samples.size() - at));
      take(codec_.encoder().mel().push(context_, mel_, part), codes);
      total_ += static_cast<std::int64_t>(part.size());
    }
    return codes;
  }

  Codes finish() override {
    Codes codes = no_codes(levels_);
    pad_to_token(codes);
    take(codec_.encoder().mel().finish(context_, mel_), codes);
    if (!segment_.empty()) encode_segment(static_cast<std::int64_t>(segment_.size()) / bands(), codes);
    codes.samples = total_;
    return codes;
  }

 private:
  [[nodiscard]] std::int64_t bands() const { return codec_.shape().mel.bands; }
  void pad_to_token(Codes& codes) {
    const std::int64_t rest = total_ % codec_.shape().hop();
    if (!codec_.shape().mel.causal || rest == 0) return;
    const std::vector<float> zeros(static_cast<std::size_t>(codec_.shape().hop() - rest), 0.0F);
    take(codec_.encoder().mel().push(context_, mel_, zeros), codes);
  }

  // Whole segments leave as soon as they are complete.
  void take(const Tensor& mel, Codes& codes) {
    const std::size_t held = segment_.size();
    segment_.resize(held + static_cast<std::size_t>(mel.size()));
    context_.download(mel.bytes(), segment_.data() + held, static_cast<std::size_t>(mel.size()) * sizeof(float));
    while (static_cast<std::int64_t>(segment_.size()) >= kSegmentMelFrames * bands()) {
      encode_segment(kSegmentMelFrames, codes);
    }
  }

  void encode_segment(std::int64_t frames, Codes& codes) {
    context_.check_interrupt();
    const Tensor mel = context_.scratch({frames, bands()});
    context_.upload(segment_.data(), mel.bytes(), static_cast<std::size_t>(mel.size()) * sizeof(float));
    segment_.erase(segment_.begin(), segment_.begin() + mel.size());
    MimoEncoder::State state = codec_.encoder().start_whole(context_, frames);
    const Tensor latent = codec_.encoder().forward(context_, state, mel, true);
    Codes part;
    codec_.quantizer().encode(context_, latent, levels_, part.rows);
    append_codes(codes, part);
  }

  const Mimo& codec_;
  Context& context_;
  int levels_;
  MelFrontEnd::State mel_;
  std::vector<float> segment_;
  std::int64_t total_ = 0;
};

class CausalDecoding final : public ChunkDecoder {
 public:
  CausalDecoding(const Mimo& codec, Context& context)
      : codec_(codec), context_(context), state_(codec.decoder().start_stream(context, kChunkTokens)) {}

  std::vector<float> decode(const Codes& codes) override {
    Tensor latent = context_.scratch({codes.frames(), codec_.shape().decoder.width});
    codec_.quantizer().decode(context_, codes, 0, false, latent);
    return codec_.decoder().push(context_, state_, latent);
  }
  std::vector<float> finish() override { return codec_.decoder().finish(context_, state_); }

 private:
  const Mimo& codec_;
  Context& context_;
  MimoDecoder::State state_;
};

class SegmentDecoding final : public ChunkDecoder {
 public:
  SegmentDecoding(const Mimo& codec, Context& context) : codec_(codec), context_(context) {}

  std::vector<float> decode(const Codes& codes) override {
    append_codes(pending_, codes);
    std::vector<float> samples;
    while (pending_.frames() >= kSegmentTokens) decode_segment(kSegmentTokens, samples);
    return samples;
  }

  std::vector<float> finish() override {
    std::vector<float> samples;
    if (pending_.frames() > 0) decode_segment(pending_.frames(), samples);
    return samples;
  }

 private:
  void decode_segment(std::int64_t frames, std::vector<float>& samples) {
    const Codes segment = slice_codes(codec_.info(), pending_, 0, frames);
    pending_ = slice_codes(codec_.info(), pending_, frames, pending_.frames() - frames);
    Tensor latent = context_.scratch({frames, codec_.shape().decoder.width});
    codec_.quantizer().decode(context_, segment, 0, false, latent);
    MimoDecoder::State state = codec_.decoder().start_whole(context_, frames);
    for (const auto& part :
         {codec_.decoder().push(context_, state, latent), codec_.decoder().finish(context_, state)}) {
      samples.insert(samples.end(), part.begin(), part.end());
    }
  }

  const Mimo& codec_;
  Context& context_;
  Codes pending_;
};

std::unique_ptr<EncodeStream> Mimo::encode_stream(Context& context, int levels) const {
  if (shape_.encoder_streams()) return ChunkedCodec::encode_stream(context, levels);
  return std::make_unique<MelSegmentEncodeStream>(*this, context, checked_levels(info_, levels));
}

std::unique_ptr<ChunkEncoder> Mimo::start_encoder(Context& context, int levels) const {
  return std::make_unique<CausalEncoding>(*this, context, levels);
}

std::unique_ptr<ChunkDecoder> Mimo::start_decoder(Context& context) const {
  if (shape_.decoder_streams()) return std::make_unique<CausalDecoding>(*this, context);
  return std::make_unique<SegmentDecoding>(*this, context);
}

}  // namespace

std::unique_ptr<AudioCodec> load_mimo(Context& context, const Config& config, Checkpoint& checkpoint) {
  return std::make_unique<Mimo>(context, read_mimo_shape(config), checkpoint);
}

}  // namespace tessera
