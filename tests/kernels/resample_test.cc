#include "kernels/resample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/constants.h"
#include "kernels/error.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

using Samples = std::vector<float>;

void append(Samples& to, const Samples& from) { to.insert(to.end(), from.begin(), from.end()); }

Samples in_one_go(Context& context, int from, int to, const Samples& x) {
  Resampler resampler(context, from, to);
  Samples out = resampler.push(x);
  append(out, resampler.finish());
  return out;
}

// Chunks of 0 to `most` samples.
Samples in_chunks(Context& context, int from, int to, const Samples& x, std::int64_t most, Random& random) {
  Resampler resampler(context, from, to);
  Samples out;
  for (std::size_t at = 0; at < x.size();) {
    const auto n = std::min(static_cast<std::size_t>(random.integer(0, most)), x.size() - at);
    append(out, resampler.push({x.data() + at, n}));
    at += n;
  }
  append(out, resampler.finish());
  return out;
}

// The windowed sinc of one output phase at tap k, rates without common divisor.
float coefficient(std::int64_t from, std::int64_t to, std::int64_t width, std::int64_t phase, std::int64_t k) {
  const double pi = 3.14159265358979323846;
  const double base = 0.99 * static_cast<double>(std::min(from, to));
  const double from_rate = static_cast<double>(from);
  const double time = static_cast<double>(k - width) / from_rate - static_cast<double>(phase) / static_cast<double>(to);
  const double t = std::clamp(time * base, -6.0, 6.0);
  const double window = exact_cos(t * pi / 6.0 / 2) * exact_cos(t * pi / 6.0 / 2);
  const double sinc = t == 0 ? 1.0 : exact_sin(t * pi) / (t * pi);
  return static_cast<float>(sinc * window * base / from_rate);
}

// y[q * to + phase] = sum over taps of x[q * from - width + k] coefficient(phase, k), zeros around x.
Samples rule(int from_rate, int to_rate, const Samples& x) {
  const std::int64_t divisor = std::gcd(from_rate, to_rate);
  const std::int64_t from = from_rate / divisor;
  const std::int64_t to = to_rate / divisor;
  const auto length = static_cast<std::int64_t>(x.size());
  const auto width = static_cast<std::int64_t>(std::ceil(6.0 * from / (0.99 * std::min(from, to))));
  const auto sample = [&](std::int64_t i) { return i < 0 || i >= length ? 0.0F : x[i]; };
  Samples out;
  for (std::int64_t n = 0; n < (to * length + from - 1) / from; ++n) {
    const std::int64_t first = n / to * from - width;
    out.push_back(dot(
        2 * width + from, [&](std::int64_t k) { return sample(first + k); },
        [&](std::int64_t k) { return coefficient(from, to, width, n % to, k); }));
  }
  return out;
}

struct Ratio {
  int from, to;
};
constexpr Ratio kRatios[] = {{192000, 24000}, {8000, 24000},  {44100, 24000}, {22050, 24000},
                             {48000, 24000},  {16000, 24000}, {24000, 16000}, {24000, 44100},
                             {11025, 16000},  {3, 7},         {1471, 801},    {801, 1471}};

TEST(Resampler, EveryBackendFollowsTheRule) {
  Random random(71);
  for (const auto [from, to] : kRatios) {
    const Samples x = random.floats(random.integer(1, 700));
    const Samples expected = rule(from, to, x);
    for (const Backend& backend : backends()) {
      Context context(backend.options);
      EXPECT_TRUE(in_one_go(context, from, to, x) == expected) << from << " to " << to << " on " << backend.name;
    }
  }
}

TEST(Resampler, AnyChunkingGivesTheSameBits) {
  Random random(72);
  Context context;
  for (const auto [from, to] : kRatios) {
    const Samples x = random.floats(random.integer(1, 3000));
    const Samples whole = in_one_go(context, from, to, x);
    for (const std::int64_t most : {1, 7, 400, 2000}) {
      EXPECT_TRUE(in_chunks(context, from, to, x, most, random) == whole) << from << " to " << to << " by " << most;
    }
  }
}

// The same samples on every backend in any chunks; its values are checked where they are used (tests/cli/stoi_test.cc).
TEST(Resampler, TheKaiserFilterIsTheSameEverywhere) {
  Random random(77);
  const auto convert = [](Context& context, int from, const Samples& x, std::size_t chunk) {
    Resampler resampler(context, from, 10000, ResampleFilter::kaiser);
    Samples out;
    for (std::size_t at = 0; at < x.size(); at += chunk) {
      append(out, resampler.push({x.data() + at, std::min(chunk, x.size() - at)}));
    }
    append(out, resampler.finish());
    return out;
  };
  for (const int from : {8000, 24000, 44100}) {
    const Samples x = random.floats(1500);
    Context context;
    const Samples whole = convert(context, from, x, x.size());
    EXPECT_EQ(static_cast<int>(whole.size()), (10000 * 1500 + from - 1) / from);
    for (const Backend& backend : backends()) {
      Context other(backend.options);
      EXPECT_TRUE(convert(other, from, x, 101) == whole) << from << " on " << backend.name;
    }
  }
}

TEST(Resampler, ACopyGoesItsOwnWay) {
  Context context;
  const Samples x = Random(78).floats(500);
  Resampler first(context, 44100, 24000);
  Samples started = first.push(x);
  Resampler second = first;
  Samples other = started;
  append(started, first.push(x));
  append(started, first.finish());
  append(other, second.finish());
  EXPECT_EQ(other, in_one_go(context, 44100, 24000, x));
  EXPECT_GT(started.size(), other.size());
}

TEST(Resampler, LengthIsRoundedUp) {
  Context context;
  Random random(73);
  for (const auto [from, to] : kRatios) {
    for (const std::int64_t length : {0, 1, 2, 5, 147, 148, 1000}) {
      const auto samples = in_one_go(context, from, to, random.floats(length)).size();
      EXPECT_EQ(static_cast<std::int64_t>(samples), (to * length + from - 1) / from) << from << " to " << to;
    }
  }
}

TEST(Resampler, EmptyPushesChangeNothing) {
  Context context;
  Resampler resampler(context, 48000, 24000);
  const Samples x = Random(74).floats(100);
  EXPECT_TRUE(resampler.push({}).empty());
  Samples out = resampler.push(x);
  EXPECT_TRUE(resampler.push({}).empty());
  append(out, resampler.finish());
  EXPECT_EQ(out, in_one_go(context, 48000, 24000, x));
}

TEST(Resampler, StartsAfreshAfterTheEnd) {
  Context context;
  const Samples x = Random(75).floats(333);
  Resampler resampler(context, 44100, 24000);
  const Samples expected = in_one_go(context, 44100, 24000, x);
  for (int i = 0; i < 3; ++i) {
    Samples out = resampler.push(x);
    append(out, resampler.finish());
    EXPECT_EQ(out, expected);
    EXPECT_TRUE(resampler.finish().empty());
  }
}

TEST(Resampler, EqualRatesCopy) {
  Context context;
  const Samples x = Random(76).floats(50);
  Resampler resampler(context, 24000, 24000);
  EXPECT_EQ(resampler.push(x), x);
  EXPECT_TRUE(resampler.finish().empty());
}

// A slow sine comes out as the same sine.
TEST(Resampler, KeepsASineBelowTheCutOff) {
  Context context;
  const auto sine = [](double rate, std::int64_t i) {
    return static_cast<float>(std::sin(2 * 3.14159265358979 * 1000 * static_cast<double>(i) / rate));
  };
  for (const int from : {8000, 16000, 22050, 44100, 48000, 192000}) {
    Samples x;
    for (int i = 0; i < from / 10; ++i) x.push_back(sine(from, i));
    const Samples y = in_one_go(context, from, 24000, x);
    for (std::size_t i = 300; i + 300 < y.size(); ++i) {
      ASSERT_NEAR(y[i], sine(24000, static_cast<std::int64_t>(i)), 4e-3) << from << ", " << i;
    }
  }
}

TEST(Resampler, RefusesImpossibleRates) {
  Context context;
  EXPECT_THROW(Resampler(context, 0, 24000), ArgumentError);
  EXPECT_THROW(Resampler(context, 24000, -1), ArgumentError);
  EXPECT_THROW(Resampler(context, 2147483647, 24000), ArgumentError);
  EXPECT_THROW(Resampler(context, 1, 2147483647), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
