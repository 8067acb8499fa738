#include "codec/codec.h"

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "codec/audio/chunked_stream.h"
#include "codec/audio/dac.h"
#include "codec/audio/encodec.h"
#include "codec/audio/mimi.h"
#include "codec/audio/mimo.h"
#include "codec/audio/wavtokenizer.h"
#include "codec/checkpoint/checkpoint.h"

namespace tessera {
namespace {

using Loader = std::unique_ptr<AudioCodec> (*)(Context&, const Config&, Checkpoint&);

// A configuration belongs to a family by its model_type; without one by its architecture, or by keys that only this
// family's have.
struct Family {
  const char* model_type;
  const char* architecture;
  std::array<const char*, 2> keys;
  Loader load;
};

constexpr std::array kFamilies = {
    Family{"dac", "DacModel", {"encoder_rates", "n_codebooks"}, load_dac},
    Family{"encodec", "EncodecModel", {nullptr, nullptr}, load_encodec},
    Family{"mimi", "MimiModel", {nullptr, nullptr}, load_mimi},
    Family{"mimo_audio_tokenizer", "MiMoAudioTokenizer", {nullptr, nullptr}, load_mimo},
    Family{"snac", "SNAC", {"encoder_rates", "vq_strides"}, load_snac},
    Family{"wavtokenizer", "WavTokenizer", {nullptr, nullptr}, load_wavtokenizer},
};

std::string first_architecture(const Config& config) {
  const auto& json = config.json();
  const auto found = json.find("architectures");
  const bool usable = found != json.end() && found->is_array() && !found->empty() && found->front().is_string();
  return usable ? found->front().get<std::string>() : std::string();
}

bool matches(const Family& family, const Config& config, const std::string& type, const std::string& architecture) {
  if (!type.empty()) return type == family.model_type;
  if (!architecture.empty()) return architecture == family.architecture;
  return family.keys[0] != nullptr && config.has(family.keys[0]) && config.has(family.keys[1]);
}

const Family& family_of(const Config& config) {
  const std::string type = config.has("model_type") ? config.string("model_type") : std::string();
  const std::string architecture = first_architecture(config);
  std::string known;
  for (const Family& family : kFamilies) {
    if (matches(family, config, type, architecture)) return family;
    known += std::string(known.empty() ? "" : ", ") + family.model_type;
  }
  throw CheckpointError(config.name() + ": unsupported family (model_type \"" + type + "\"); this build reads " +
                        known);
}

}  // namespace

std::unique_ptr<AudioCodec> load_audio_codec(Context& context, const std::string& path) {
  const std::filesystem::path at(path);
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(at, ignored);
  if (!folder && !std::filesystem::exists(at, ignored)) throw CheckpointError(path + ": no such checkpoint");
  Checkpoint checkpoint(at);  // first: pickled weights often come without a config.json
  const Config config = Config::read(folder ? at : at.parent_path());
  const Family& family = family_of(config);
  return family.load(context, config, checkpoint);
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
