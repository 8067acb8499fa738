// The embedded codec against the PyTorch model that its training recipe exports it from.

#include <gtest/gtest.h>

#include <filesystem>

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
