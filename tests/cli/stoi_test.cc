#include "cli/stoi.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "codec/checkpoint/checkpoint.h"
#include "kernels/error.h"
#include "tests/sanitized.h"

namespace tessera::cli {
namespace {

using Samples = std::vector<float>;

struct Pair {
  Samples x, y;
};

const std::string kGolden = std::string(TESSERA_SOURCE_DIR) + "/tests/golden/stoi/stoi.safetensors";

double golden(const std::string& name) { return Checkpoint(kGolden).floats(name, {1}).front(); }

/// As generate_stoi.py makes it.
Pair synthetic(int rate, std::int64_t samples) {
  auto state = static_cast<std::uint32_t>(rate);
  const auto next = [&] {
    state = state * 1664525 + 1013904223;
    return static_cast<double>(state >> 16) / 65536 - 0.5;
  };
  const int syllable = rate / 8;
  Pair pair;
  double red = 0;
  for (std::int64_t i = 0; i < samples; ++i) {
    const double place = static_cast<double>(i % syllable) / syllable;
    const double level = i / syllable % 3 == 2 ? 0.0002 : place * (1 - place);
    red = 0.75 * red + next();
    pair.x.push_back(static_cast<float>(level * red));
    pair.y.push_back(static_cast<float>(std::clamp(double{pair.x.back()} + 0.4 * next(), -0.125, 0.125)));
  }
  return pair;
}

double stoi(const Pair& pair, int rate, std::size_t chunk = SIZE_MAX) {
  Context context({Device{}, 1, {}});
  const StoiTables tables(context, rate);
  StoiMeter meter(tables);
  for (std::size_t at = 0; at < pair.x.size();) {
    const std::size_t n = std::min(chunk, pair.x.size() - at);
    meter.add({pair.x.data() + at, n}, {pair.y.data() + at, n});
    at += n;
  }
  return meter.finish();
}

// The largest difference from the package's resampler.
double resampling_error(int rate) {
  Checkpoint file(kGolden);
  const std::string name = "resample." + std::to_string(rate);
  Context context({Device{}, 1, {}});
  Resampler resampler(context, rate, 10000, ResampleFilter::kaiser);
  Samples got = resampler.push(file.floats(name + ".input", {701}));
  const Samples rest = resampler.finish();
  got.insert(got.end(), rest.begin(), rest.end());
  const Samples expected = file.floats(name + ".output", {static_cast<std::int64_t>(got.size())});
  double most = 0;
  for (std::size_t i = 0; i < got.size(); ++i) most = std::max(most, std::abs(double{got[i]} - expected[i]));
  return most;
}

TEST(Stoi, SoundIsResampledAsThePackageDoes) {
  for (const int rate : {8000, 16000, 24000, 44100}) EXPECT_LT(resampling_error(rate), 1e-6) << rate;
}

class Golden : public testing::TestWithParam<std::pair<int, int>> {};

TEST_P(Golden, SyntheticSoundIsWhatThePackageSays) {
  const auto [rate, samples] = GetParam();
  const double expected = golden("synthetic." + std::to_string(rate) + "." + std::to_string(samples));
  const double got = stoi(synthetic(rate, samples), rate);
  std::printf("%d Hz: STOI %.6f, the package's %+.1e\n", rate, got, expected - got);
  EXPECT_NEAR(got, expected, 1e-6) << rate;
}

INSTANTIATE_TEST_SUITE_P(Stoi, Golden,
                         testing::Values(std::pair{8000, 12000}, std::pair{10000, 15001}, std::pair{16000, 24100},
                                         std::pair{22050, 40000}, std::pair{24000, 31000}, std::pair{32000, 70000},
                                         std::pair{44100, 60000}, std::pair{48000, 100003}));

TEST(Stoi, SpeechIsWhatThePackageSays) {
  Checkpoint file(kGolden);
  const Pair pair{file.floats("speech", {40000}), file.floats("speech.degraded", {40000})};
  EXPECT_NEAR(stoi(pair, 16000), golden("speech.stoi"), 1e-6);
}

TEST(Stoi, AnyChunkingGivesTheSame) {
  const Pair pair = synthetic(24000, 31000);
  const double whole = stoi(pair, 24000);
  for (const std::size_t chunk : {7, 960, 24000}) EXPECT_EQ(stoi(pair, 24000, chunk), whole) << chunk;
}

TEST(Stoi, ACopyIsPerfect) {
  Pair pair = synthetic(16000, 24100);
  pair.y = pair.x;
  EXPECT_NEAR(stoi(pair, 16000), 1, 1e-12);
}

TEST(Stoi, ThereIsNoneOfSilenceAndOfShortSounds) {
  EXPECT_TRUE(std::isnan(stoi({Samples(20000), Samples(20000, 0.1F)}, 10000)));
  EXPECT_TRUE(std::isnan(stoi(synthetic(10000, 4096), 10000)));
  EXPECT_TRUE(std::isnan(stoi({}, 10000)));
}

// 31 frames and the sample behind them: 30 frames, one stretch.
TEST(Stoi, NeedsThirtyFramesOfTheJoinedSound) {
  const auto steady = [](std::size_t samples) {
    Samples x(samples);
    for (std::size_t i = 0; i < samples; ++i) x[i] = static_cast<float>((i * 7919) % 101) / 101.0F - 0.5F;
    return Pair{x, x};
  };
  EXPECT_TRUE(std::isnan(stoi(steady(30 * 128 + 256), 10000)));
  EXPECT_NEAR(stoi(steady(30 * 128 + 257), 10000), 1, 1e-12);
}

// Of eleven minutes the first ten and the last are measured apart: 0.1 in one part is 1e-5 of the other's energy.
TEST(Stoi, LongSoundsAreCutIntoParts) {
  if (kSanitized) GTEST_SKIP() << "eleven minutes of sound take the sanitizers minutes";
  Pair loud = synthetic(10000, 6000000);
  Pair quiet = synthetic(10000, 600000);
  for (Samples* one : {&quiet.x, &quiet.y}) std::for_each(one->begin(), one->end(), [](float& v) { v *= 1e-4F; });
  const double loud_alone = stoi(loud, 10000);
  const double quiet_alone = stoi(quiet, 10000);
  loud.x.insert(loud.x.end(), quiet.x.begin(), quiet.x.end());
  loud.y.insert(loud.y.end(), quiet.y.begin(), quiet.y.end());
  const double both = stoi(loud, 10000, 100000);
  EXPECT_NEAR(both, loud_alone * 10 / 11 + quiet_alone / 11, 1e-3);
  EXPECT_GT(std::abs(loud_alone - quiet_alone), 1e-6);
}

TEST(Stoi, RefusesARateThatNeedsTooLongAFilter) {
  Context context;
  EXPECT_THROW(StoiTables(context, 2147483647), ArgumentError);
}

}  // namespace
}  // namespace tessera::cli
