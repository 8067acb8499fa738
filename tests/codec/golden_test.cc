// Codes and waves against the independent references of tests/golden.

#include <gtest/gtest.h>

#include "tests/codec/fixtures.h"

namespace tessera::fixtures {
namespace {

constexpr double kLeastWaveDecibels = 110;

class Golden : public testing::TestWithParam<Case> {};

TEST_P(Golden, CodesAndWaves) {
  Context context;
  const auto codec = load_audio_codec(context, GetParam().folder);
  const std::vector<Expected> all = expectations(GetParam());
  ASSERT_FALSE(all.empty());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string where = GetParam().name + " input " + std::to_string(i);
    const Codes codes = encode(*codec, context, all[i].wave);
    ASSERT_EQ(codes.rows.size(), all[i].codes.rows.size()) << where;
    for (std::size_t level = 0; level < codes.rows.size(); ++level) {
      ASSERT_EQ(codes.rows[level].size(), all[i].codes.rows[level].size()) << where << " level " << level;
    }
    EXPECT_EQ(codes.samples * codec->info().channels, static_cast<std::int64_t>(all[i].wave.size()));
    EXPECT_EQ(codes.chunks, all[i].codes.chunks) << where;
    ASSERT_EQ(codes.scales.size(), all[i].codes.scales.size()) << where;
    for (std::size_t k = 0; k < codes.scales.size(); ++k) {
      EXPECT_NEAR(codes.scales[k], all[i].codes.scales[k], 1e-6 * all[i].codes.scales[k]) << where;
    }
    count_mismatches(all[i], codes, where);
    const std::vector<float> wave = decode(*codec, context, all[i].codes);
    ASSERT_EQ(wave.size(), all[i].decoded.size()) << where;
    EXPECT_GE(signal_to_noise(all[i].decoded, wave), kLeastWaveDecibels) << where;
  }
}

TEST_P(Golden, FewerLevels) {
  Context context;
  const auto codec = load_audio_codec(context, GetParam().folder);
  const SafetensorsFile file(std::filesystem::path(GetParam().folder) / "expected.safetensors");
  for (int i = 0; has(file, "wave." + std::to_string(i)); ++i) {
    const std::string suffix = "." + std::to_string(i) + ".levels2";
    if (!has(file, "codes" + suffix) && !has(file, "codes" + suffix + ".row0")) continue;
    const Codes given = codes(file, suffix);
    const Codes all = encode(*codec, context, floats(file, "wave." + std::to_string(i)), 0);
    const Codes two = encode(*codec, context, floats(file, "wave." + std::to_string(i)), 2);
    EXPECT_EQ(two.rows, std::vector(all.rows.begin(), all.rows.begin() + 2));
    const std::vector<float> expected = floats(file, "decoded" + suffix);
    const std::vector<float> wave = decode(*codec, context, given);
    ASSERT_EQ(wave.size(), expected.size());
    EXPECT_GE(signal_to_noise(expected, wave), kLeastWaveDecibels);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Golden, testing::ValuesIn(cases()), case_name);

}  // namespace
}  // namespace tessera::fixtures
