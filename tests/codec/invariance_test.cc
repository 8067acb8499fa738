// The same bits whatever the batch, the chunking, the threads, the instruction set and the device.

#include <gtest/gtest.h>

#include <random>

#include "tests/codec/fixtures.h"

namespace tessera::fixtures {
namespace {

class Invariance : public testing::TestWithParam<Case> {};

std::string case_name(const testing::TestParamInfo<Case>& info) { return info.param.name; }

// Long inputs would spend the sanitizers' time on more of the same.
std::vector<float> shortened(const std::vector<float>& wave, const AudioCodecInfo& info) {
  const std::size_t most = static_cast<std::size_t>(info.hop) * 45 + 7;
  return {wave.begin(), wave.begin() + static_cast<std::ptrdiff_t>(std::min(wave.size(), most))};
}

Codes encode_in_chunks(const AudioCodec& codec, Context& context, std::span<const float> wave, std::mt19937& random) {
  const auto stream = codec.encode_stream(context);
  Codes all;
  all.rows.resize(static_cast<std::size_t>(codec.info().levels));
  const auto take = [&](const Codes& part) {
    for (std::size_t i = 0; i < part.rows.size(); ++i) {
      all.rows[i].insert(all.rows[i].end(), part.rows[i].begin(), part.rows[i].end());
    }
    all.samples = part.samples;
  };
  while (!wave.empty()) {
    const std::size_t n = std::min<std::size_t>(wave.size(), random() % 3 == 0 ? random() % 5 : random() % 4000);
    take(stream->push(wave.first(n)));
    wave = wave.subspan(n);
  }
  take(stream->finish());
  return all;
}

std::vector<float> decode_in_chunks(const AudioCodec& codec, Context& context, const Codes& codes,
                                    std::mt19937& random) {
  const auto stream = codec.decode_stream(context);
  std::vector<float> wave;
  const auto take = [&](const std::vector<float>& part) { wave.insert(wave.end(), part.begin(), part.end()); };
  for (std::int64_t at = 0; at < codes.frames();) {
    const std::int64_t n = std::min<std::int64_t>(codes.frames() - at, 1 + static_cast<std::int64_t>(random() % 7));
    Codes part;
    for (const auto& row : codes.rows) part.rows.emplace_back(row.begin() + at, row.begin() + at + n);
    take(stream->push(part));
    at += n;
  }
  take(stream->finish());
  wave.resize(std::min(wave.size(), static_cast<std::size_t>(codes.samples)));
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
  for (const Expected& expected : all) clips.emplace_back(expected.wave);
  const std::vector<Codes> batch = encode_batch(*codec, context, clips);
  for (std::size_t i = 0; i < clips.size(); ++i) EXPECT_EQ(batch[i], encode(*codec, context, clips[i]));
}

TEST_P(Invariance, StreamingCodecsAnswerEveryFrame) {
  Context context;
  const auto codec = load_audio_codec(context, GetParam().folder);
  if (!codec->info().streams) return;
  const std::vector<float> frame(static_cast<std::size_t>(codec->info().hop), 0.25F);
  const auto encoder = codec->encode_stream(context);
  const auto decoder = codec->decode_stream(context);
  std::size_t samples = 0;
  for (int i = 0; i < 5; ++i) {
    Codes codes = encoder->push(frame);
    EXPECT_EQ(codes.frames(), 1);
    samples += decoder->push(codes).size();
    EXPECT_GE(samples + static_cast<std::size_t>(codec->info().decode_latency), (i + 1) * frame.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Invariance, testing::ValuesIn(cases()), case_name);

}  // namespace
}  // namespace tessera::fixtures
