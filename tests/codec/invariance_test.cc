// The same bits whatever the batch, the chunking, the threads, the instruction set and the device.

#include <gtest/gtest.h>

#include <random>

#include "codec/audio/chunked_stream.h"
#include "tests/codec/fixtures.h"
#include "tests/sanitized.h"

namespace tessera::fixtures {
namespace {

class Invariance : public testing::TestWithParam<Case> {};

// The sanitizers see shorter clips of every third fixture, each family's among them; the golden tests show them all.
constexpr std::size_t kMostFrames = kSanitized ? 22 : 45;
constexpr std::size_t kEvery = kSanitized ? 3 : 1;

std::vector<Case> invariance_cases() {
  std::vector<Case> chosen;
  const std::vector<Case> all = cases();
  for (std::size_t i = 0; i < all.size(); i += kEvery) chosen.push_back(all[i]);
  return chosen;
}

std::vector<float> shortened(const std::vector<float>& wave, const AudioCodecInfo& info) {
  const auto frame = static_cast<std::size_t>(info.hop * info.channels);
  const std::size_t most = frame * kMostFrames + 7 * static_cast<std::size_t>(info.channels);
  return {wave.begin(), wave.begin() + static_cast<std::ptrdiff_t>(std::min(wave.size(), most))};
}

Codes encode_in_chunks(const AudioCodec& codec, Context& context, std::span<const float> wave, std::mt19937& random) {
  const auto stream = codec.encode_stream(context);
  const auto channels = static_cast<std::size_t>(codec.info().channels);
  Codes all = no_codes(codec.info().levels);
  while (!wave.empty()) {
    const std::size_t samples = random() % 3 == 0 ? random() % 5 : random() % 4000;
    const std::size_t n = std::min(wave.size(), samples * channels);
    append_codes(all, stream->push(wave.first(n)));
    wave = wave.subspan(n);
  }
  const Codes rest = stream->finish();
  append_codes(all, rest);
  all.samples = rest.samples;
  return all;
}

// Chunks where the codec has them, else frames.
std::vector<Codes> parts_of(const AudioCodecInfo& info, const Codes& codes, std::mt19937& random) {
  std::vector<Codes> parts;
  std::int64_t at = 0;
  while (at < codes.frames()) {
    const std::size_t chunk = parts.size();
    const bool chunked = chunk < codes.chunks.size();
    const std::int64_t n =
        chunked ? codes.chunks[chunk]
                : std::min<std::int64_t>(codes.frames() - at, 1 + static_cast<std::int64_t>(random() % 7));
    parts.push_back(slice_codes(info, codes, at, n));
    if (chunked) parts.back().chunks = {n};
    if (chunk < codes.scales.size()) parts.back().scales = {codes.scales[chunk]};
    at += n;
  }
  return parts;
}

std::vector<float> decode_in_chunks(const AudioCodec& codec, Context& context, const Codes& codes,
                                    std::mt19937& random) {
  const auto stream = codec.decode_stream(context);
  std::vector<float> wave;
  const auto take = [&](const std::vector<float>& part) { wave.insert(wave.end(), part.begin(), part.end()); };
  for (const Codes& part : parts_of(codec.info(), codes, random)) take(stream->push(part));
  take(stream->finish());
  const auto wanted = static_cast<std::size_t>(codes.samples * codec.info().channels);
  wave.resize(std::min(wave.size(), wanted));
  return wave;
}

TEST_P(Invariance, SettingsAndChunksGiveTheSameBits) {
  std::vector<Codes> first_codes;
  std::vector<std::vector<float>> first_waves;
  for (const Setting& setting : settings()) {
    Context context(setting.options);
    const auto codec = load_audio_codec(context, GetParam().folder);
    std::mt19937 random(7);
    std::size_t i = 0;
    for (const Expected& expected : expectations(GetParam())) {
      const std::vector<float> wave = shortened(expected.wave, codec->info());
      const Codes codes = encode(*codec, context, wave);
      EXPECT_EQ(codes, encode_in_chunks(*codec, context, wave, random)) << setting.name;
      const std::vector<float> decoded = decode(*codec, context, codes);
      EXPECT_EQ(decoded, decode_in_chunks(*codec, context, codes, random)) << setting.name;
      if (first_codes.size() == i) first_codes.push_back(codes), first_waves.push_back(decoded);
      EXPECT_EQ(codes, first_codes[i]) << setting.name;
      EXPECT_EQ(decoded, first_waves[i]) << setting.name;
      ++i;
    }
  }
}

TEST_P(Invariance, BatchEqualsSingle) {
  Context context;
  const auto codec = load_audio_codec(context, GetParam().folder);
  const std::vector<Expected> all = expectations(GetParam());
  std::vector<std::span<const float>> clips;
  std::vector<std::vector<float>> waves;
  for (const Expected& expected : all) {
    waves.push_back(kSanitized ? shortened(expected.wave, codec->info()) : expected.wave);
  }
  clips.assign(waves.begin(), waves.end());
  const std::vector<Codes> batch = encode_batch(*codec, context, clips);
  for (std::size_t i = 0; i < clips.size(); ++i) EXPECT_EQ(batch[i], encode(*codec, context, clips[i]));
}

TEST_P(Invariance, StreamingCodecsAnswerEveryFrame) {
  Context context;
  const auto codec = load_audio_codec(context, GetParam().folder);
  if (!codec->info().streams) return;
  const std::vector<float> frame(static_cast<std::size_t>(codec->info().hop), 0.25F);
  const AudioCodecInfo& info = codec->info();
  const auto encoder = codec->encode_stream(context);
  const auto decoder = codec->decode_stream(context);
  std::int64_t frames = 0;
  std::int64_t samples = 0;
  const std::int64_t late = (info.encode_latency + info.hop - 1) / info.hop;
  for (int i = 1; i <= late + 5; ++i) {
    const Codes codes = encoder->push(frame);
    frames += codes.frames();
    EXPECT_GE(frames, i - late) << i;
    samples += static_cast<std::int64_t>(decoder->push(codes).size());
    EXPECT_GE(samples, frames * info.hop - info.decode_latency - info.hop) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Invariance, testing::ValuesIn(invariance_cases()), case_name);

}  // namespace
}  // namespace tessera::fixtures
