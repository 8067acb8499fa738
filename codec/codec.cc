#include "codec/codec.h"

#include <array>

#include "codec/audio/chunked_stream.h"
#include "codec/audio/dac.h"
#include "codec/audio/encodec.h"
#include "codec/audio/mimi.h"
#include "codec/audio/mimo.h"
#include "codec/audio/wavtokenizer.h"
#include "codec/family.h"

namespace tessera {
namespace {

using Loader = std::unique_ptr<AudioCodec> (*)(Context&, const Config&, Checkpoint&);

constexpr std::array kFamilies = {
    Family<Loader>{{"dac", "DacModel", {"encoder_rates", "n_codebooks"}}, load_dac},
    Family<Loader>{{"encodec", "EncodecModel"}, load_encodec},
    Family<Loader>{{"mimi", "MimiModel"}, load_mimi},
    Family<Loader>{{"mimo_audio_tokenizer", "MiMoAudioTokenizer"}, load_mimo},
    Family<Loader>{{"snac", "SNAC", {"encoder_rates", "vq_strides"}}, load_snac},
    Family<Loader>{{"wavtokenizer", "WavTokenizer"}, load_wavtokenizer},
};

}  // namespace

std::unique_ptr<AudioCodec> load_audio_codec(Context& context, const std::string& path) {
  OpenCheckpoint open(path);
  return family_of(kFamilies, open.config).load(context, open.config, open.checkpoint);
}

Codes encode(const AudioCodec& codec, Context& context, std::span<const float> samples, int levels) {
  const auto stream = codec.encode_stream(context, levels);
  Codes codes = stream->push(samples);
  const Codes rest = stream->finish();
  append_codes(codes, rest);
  codes.samples = rest.samples;
  return codes;
}

std::vector<Codes> encode_batch(const AudioCodec& codec, Context& context,
                                const std::vector<std::span<const float>>& clips, int levels) {
  std::vector<Codes> batch;
  batch.reserve(clips.size());
  for (const auto& clip : clips) batch.push_back(encode(codec, context, clip, levels));
  return batch;
}

std::vector<float> decode(const AudioCodec& codec, Context& context, const Codes& codes) {
  const auto stream = codec.decode_stream(context);
  std::vector<float> samples = stream->push(codes);
  const std::vector<float> rest = stream->finish();
  samples.insert(samples.end(), rest.begin(), rest.end());
  const std::int64_t wanted = codes.samples * codec.info().channels;
  if (codes.samples >= 0 && wanted < static_cast<std::int64_t>(samples.size())) {
    samples.resize(static_cast<std::size_t>(wanted));
  }
  return samples;
}

}  // namespace tessera
