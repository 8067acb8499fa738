// The embedded codec against the PyTorch model that its training recipe exports it from.

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>

#include "codec/audio/chunked_stream.h"
#include "tests/codec/fixtures.h"
#include "tests/sanitized.h"

namespace tessera::fixtures {
namespace {

const std::filesystem::path kModel = std::filesystem::path(TESSERA_SOURCE_DIR) / "samples/model/audio_codec";
const std::filesystem::path kGolden =
    std::filesystem::path(TESSERA_SOURCE_DIR) / "tests/golden/embedded/golden.safetensors";

TEST(Embedded, AgreesWithItsTrainingCode) {
  if (kSanitized) GTEST_SKIP() << "the fixtures run the same code";
  Context context;
  const auto codec = load_audio_codec(context, kModel.string());
  const SafetensorsFile file(kGolden);
  const std::vector<float> wave = floats(file, "wave");
  const Codes given = codes(file, "");
  const Expected expected{wave, given, float_rows(file, "margin"), floats(file, "decoded")};
  EXPECT_EQ(count_mismatches(expected, encode(*codec, context, wave), "embedded"), 0);
  const std::vector<float> decoded = decode(*codec, context, given);
  ASSERT_EQ(decoded.size(), expected.decoded.size());
  // The reference ran in float32, with PyTorch's FFT.
  EXPECT_GE(signal_to_noise(expected.decoded, decoded), 100);
}

ContextOptions fast_options(BfloatUnit unit, int threads) {
  ContextOptions options;
  options.threads = threads;
  options.math = Math::fast;
  options.unit = unit;
  return options;
}

// What a stream of small chunks makes of a clip, and of its codes.
Codes encode_in_chunks(const AudioCodec& codec, Context& context, std::span<const float> wave) {
  const auto stream = codec.encode_stream(context);
  Codes all = no_codes(codec.info().levels);
  for (; !wave.empty(); wave = wave.subspan(std::min<std::size_t>(wave.size(), 1777))) {
    append_codes(all, stream->push(wave.first(std::min<std::size_t>(wave.size(), 1777))));
  }
  const Codes rest = stream->finish();
  append_codes(all, rest);
  all.samples = rest.samples;
  return all;
}

std::vector<float> decode_in_chunks(const AudioCodec& codec, Context& context, const Codes& codes) {
  const auto stream = codec.decode_stream(context);
  std::vector<float> wave;
  const auto take = [&](const std::vector<float>& part) { wave.insert(wave.end(), part.begin(), part.end()); };
  for (std::int64_t at = 0; at < codes.frames(); at += 3) {
    take(stream->push(slice_codes(codec.info(), codes, at, std::min<std::int64_t>(3, codes.frames() - at))));
  }
  take(stream->finish());
  wave.resize(static_cast<std::size_t>(codes.samples));
  return wave;
}

double equal_share(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
  std::size_t equal = 0;
  for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b.at(i) ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(a.size());
}

class FastMath : public testing::TestWithParam<BfloatUnit> {};

TEST_P(FastMath, DependsOnNoChunksBatchOrThreadsAndStaysNearExact) {
  std::vector<float> wave = floats(SafetensorsFile(kGolden), "wave");
  // The emulation is slow enough without sanitizers; the products' own tests show them both units.
  if (kSanitized && GetParam() == BfloatUnit::emulated_amx) GTEST_SKIP() << "one unit is enough";
  if (kSanitized) wave.resize(12000);
  Context one(fast_options(GetParam(), 1));
  Context three(fast_options(GetParam(), 3));
  const auto codec = load_audio_codec(one, kModel.string());
  const Codes codes = encode(*codec, one, wave);
  const std::vector<float> decoded = decode(*codec, one, codes);
  EXPECT_EQ(codes, encode_in_chunks(*codec, three, wave));
  EXPECT_EQ(decoded, decode_in_chunks(*codec, three, codes));
  const std::span<const float> part = std::span(wave).first(wave.size() / 3);
  EXPECT_EQ(encode_batch(*codec, three, {part, wave})[1], codes);
  EXPECT_EQ(encode_batch(*codec, three, {part, wave})[0], encode(*codec, one, part));

  Context exact_context;
  const auto exact = load_audio_codec(exact_context, kModel.string());
  const Codes expected = encode(*exact, exact_context, wave);
  for (std::size_t level = 0; level < expected.rows.size(); ++level) {
    const double share = equal_share(expected.rows[level], codes.rows[level]);
    std::printf("%s level %zu: %.1f %% equal\n", name_of(GetParam()), level, 100 * share);
    EXPECT_GE(share, 0.9);
  }
  // bfloat16 has eight bits: near 48 dB if every layer's error were the output's.
  const double ratio = signal_to_noise(decode(*exact, exact_context, expected), decode(*codec, one, expected));
  std::printf("%s decode: %.1f dB\n", name_of(GetParam()), ratio);
  EXPECT_GE(ratio, 40);
  EXPECT_LE(ratio, 80) << "nothing was rounded";
}

INSTANTIATE_TEST_SUITE_P(Units, FastMath, testing::Values(BfloatUnit::emulated_amx, BfloatUnit::emulated_avx512_bf16),
                         [](const auto& unit) {
                           return unit.param == BfloatUnit::emulated_amx ? "Amx" : "Avx512Bf16";
                         });

TEST(Embedded, IsWhatTheModelCardSays) {
  Context context;
  const AudioCodecInfo info = load_audio_codec(context, kModel.string())->info();
  EXPECT_EQ(info.sample_rate, 24000);
  EXPECT_EQ(info.frame_rate(), 25);
  EXPECT_EQ(info.codebook_sizes, std::vector<int>(4, 1024));
  EXPECT_TRUE(info.streams);
  EXPECT_LE(std::filesystem::file_size(kModel / "model.safetensors"), 20'000'000U);
}

}  // namespace
}  // namespace tessera::fixtures
