#include "codec/audio/encodec.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "codec/audio/chunked_codec.h"
#include "codec/audio/latency.h"
#include "codec/audio/seanet_config.h"
#include "codec/audio/segments.h"
#include "codec/quantizer/residual.h"

namespace tessera {
namespace {

// Frames a chunk: about as many samples as Mimi's chunks have.
constexpr std::int64_t kEncodecChunkFrames = 192;

struct EncodecShape {
  SeanetShape seanet;
  SegmentShape segments;
  bool segmented = false;
  int sample_rate = 0;
  std::int64_t codebook_size = 0;
  std::vector<double> bandwidths;
};

// Both truncated, as the authors do.
SegmentShape read_segments(const Config& config, const EncodecShape& s) {
  SegmentShape segments;
  segments.channels = static_cast<int>(s.seanet.audio_channels);
  segments.hop = s.seanet.hop();
  segments.normalize = config.boolean("normalize");
  if (!config.has("chunk_length_s")) return segments;
  const double seconds = config.number("chunk_length_s");
  const double overlap = config.has("overlap") ? config.number("overlap") : 0.0;
  config.require(seconds > 0 && seconds < 3600 && overlap >= 0 && overlap < 1,
                 "\"chunk_length_s\" must be positive and below 3600, \"overlap\" 0 to 1");
  segments.length = static_cast<std::int64_t>(seconds * s.sample_rate);
  segments.stride = static_cast<std::int64_t>((1.0 - overlap) * static_cast<double>(segments.length));
  config.require(segments.stride > 0, "\"chunk_length_s\" is less than a sample");
  return segments;
}

std::vector<double> read_bandwidths(const Config& config) {
  std::vector<double> bandwidths;
  const auto found = config.json().find("target_bandwidths");
  if (found == config.json().end() || found->is_null()) return bandwidths;
  config.require(found->is_array(), "\"target_bandwidths\" must be an array of numbers");
  for (const auto& value : *found) {
    config.require(value.is_number(), "\"target_bandwidths\" must be an array of numbers");
    bandwidths.push_back(value.get<double>());
  }
  return bandwidths;
}

EncodecShape read_encodec_shape(const Config& config, const Checkpoint& checkpoint) {
  EncodecShape s;
  s.sample_rate = static_cast<int>(config.integer("sampling_rate", 1, 1 << 20));
  s.seanet = read_seanet(config, checkpoint);
  s.seanet.lstm_layers = static_cast<int>(config.integer("num_lstm_layers", 0, 16));
  const std::string norm = config.string("norm_type");
  config.require(norm == "weight_norm" || norm == "time_group_norm",
                 "\"norm_type\" " + norm + " is not one of weight_norm, time_group_norm");
  s.seanet.time_norm = norm == "time_group_norm";
  s.segments = read_segments(config, s);
  s.segmented = s.segments.length != SegmentShape::kWhole;
  s.codebook_size = config.integer("codebook_size", 2, 1 << 20);
  if (config.has("codebook_dim")) {
    config.require(config.integer("codebook_dim", 1, 1 << 16) == s.seanet.width,
                   "\"codebook_dim\" must be \"hidden_size\"");
  }
  s.bandwidths = read_bandwidths(config);
  return s;
}

std::string encodec_codebook_name(int level) { return "quantizer.layers." + std::to_string(level) + ".codebook.embed"; }

// As many as there are.
std::vector<int> codebook_sizes(const Checkpoint& checkpoint, const EncodecShape& s) {
  std::vector<int> sizes(1, static_cast<int>(s.codebook_size));
  while (checkpoint.has(encodec_codebook_name(static_cast<int>(sizes.size())))) sizes.push_back(sizes.front());
  return sizes;
}

class Encodec final : public ChunkedCodec {
 public:
  Encodec(Context& context, const EncodecShape& s, Checkpoint& checkpoint)
      : ChunkedCodec(1, kEncodecChunkFrames),
        shape_(s),
        encoder_(context, checkpoint, "encoder.layers", s.seanet),
        quantizer_(
            load_codebooks(context, checkpoint, encodec_codebook_name, codebook_sizes(checkpoint, s), s.seanet.width),
            {}),
        decoder_(context, checkpoint, "decoder.layers", s.seanet) {
    ignore_training_state(checkpoint);
    checkpoint.finish();
    describe(checkpoint);
  }

  std::unique_ptr<EncodeStream> encode_stream(Context& context, int levels) const override;
  std::unique_ptr<DecodeStream> decode_stream(Context& context) const override;

 private:
  friend class EncodecEncoding;
  friend class EncodecDecoding;
  std::unique_ptr<ChunkEncoder> start_encoder(Context& context, int levels) const override;
  std::unique_ptr<ChunkDecoder> start_decoder(Context& context) const override;
  void describe(const Checkpoint& checkpoint);
  // Normalisation and norms over time need the whole segment at once.
  bool whole_segments() const { return shape_.segmented || shape_.segments.normalize || shape_.seanet.time_norm; }

  EncodecShape shape_;
  SeanetEncoder encoder_;
  ResidualQuantizer quantizer_;
  SeanetDecoder decoder_;
};

void Encodec::describe(const Checkpoint& checkpoint) {
  info_.family = "encodec";
  info_.sample_rate = shape_.sample_rate;
  info_.channels = static_cast<int>(shape_.seanet.audio_channels);
  info_.hop = static_cast<int>(shape_.seanet.hop());
  describe_levels(quantizer_.levels(), shape_.codebook_size);
  const double rate = std::ceil(info_.frame_rate());
  for (const double bandwidth : shape_.bandwidths) {
    const double levels = std::floor(1000 * bandwidth / (std::log2(static_cast<double>(shape_.codebook_size)) * rate));
    info_.bandwidths.emplace_back(bandwidth, static_cast<int>(std::clamp<double>(levels, 1, info_.levels)));
  }
  info_.segmented = shape_.segmented;
  info_.scaled = shape_.segments.normalize;
  info_.streams = !whole_segments();
  info_.parameters = checkpoint.parameters();
  if (info_.streams) {
    info_.encode_latency = encode_latency(info_.hop, 1, [&](std::int64_t n) { return encoder_.ready(n); });
    info_.decode_latency = decode_latency(info_.hop, 1, [&](std::int64_t n) { return decoder_.ready(n); });
    info_.segmenting = shape_.seanet.causal ? "causal stream: any length in one piece"
                                            : "stream with look-ahead: any length in one piece";
  } else if (shape_.segmented) {
    info_.encode_latency = info_.decode_latency = shape_.segments.length;
    info_.segmenting = "segments of " + std::to_string(shape_.segments.length) + " samples every " +
                       std::to_string(shape_.segments.stride) + ", each alone, overlap-added";
  } else {
    info_.segmenting = "the whole input at once: memory grows with its length";
  }
}

// Samples to codes; a new one for each segment, or one for all chunks of a stream.
class EncodecEncoding final : public ChunkEncoder {
 public:
  EncodecEncoding(const Encodec& codec, Context& context, int levels)
      : codec_(codec), context_(context), levels_(levels), state_(codec.encoder_.start(context)) {}

  Codes encode(std::span<const float> samples, bool last) override {
    const Tensor input = upload_samples(context_, samples, codec_.shape_.seanet.audio_channels);
    const Tensor latent = codec_.encoder_.forward(context_, state_, input, last);
    Codes codes;
    codec_.quantizer_.encode(context_, latent, levels_, codes.rows);
    return codes;
  }

 private:
  const Encodec& codec_;
  Context& context_;
  int levels_;
  SeanetEncoder::State state_;
};

class EncodecDecoding final : public ChunkDecoder {
 public:
  EncodecDecoding(const Encodec& codec, Context& context)
      : codec_(codec), context_(context), state_(codec.decoder_.start(context)) {}

  std::vector<float> decode(const Codes& codes) override { return forward(codes, false); }
  std::vector<float> finish() override { return forward(Codes(), true); }

  std::vector<float> forward(const Codes& codes, bool last) {
    const Tensor latent = context_.scratch({codes.frames(), codec_.shape_.seanet.width});
    if (codes.frames() != 0) codec_.quantizer_.decode(context_, codes, 0, false, latent);
    return download_samples(context_, codec_.decoder_.forward(context_, state_, latent, last));
  }

 private:
  const Encodec& codec_;
  Context& context_;
  SeanetDecoder::State state_;
};

std::unique_ptr<ChunkEncoder> Encodec::start_encoder(Context& context, int levels) const {
  return std::make_unique<EncodecEncoding>(*this, context, levels);
}

std::unique_ptr<ChunkDecoder> Encodec::start_decoder(Context& context) const {
  return std::make_unique<EncodecDecoding>(*this, context);
}

std::unique_ptr<EncodeStream> Encodec::encode_stream(Context& context, int levels) const {
  if (!whole_segments()) return ChunkedCodec::encode_stream(context, levels);
  const int count = checked_levels(info_, levels);
  const auto encode = [this, &context, count](std::span<const float> segment) {
    return EncodecEncoding(*this, context, count).encode(segment, true);
  };
  return std::make_unique<SegmentEncodeStream>(context, shape_.segments, count, encode);
}

std::unique_ptr<DecodeStream> Encodec::decode_stream(Context& context) const {
  if (!whole_segments()) return ChunkedCodec::decode_stream(context);
  const auto decode = [this, &context](const Codes& segment) {
    return EncodecDecoding(*this, context).forward(segment, true);
  };
  return std::make_unique<SegmentDecodeStream>(context, shape_.segments, info_, decode);
}

}  // namespace

std::unique_ptr<AudioCodec> load_encodec(Context& context, const Config& config, Checkpoint& checkpoint) {
  return std::make_unique<Encodec>(context, read_encodec_shape(config, checkpoint), checkpoint);
}

}  // namespace tessera
