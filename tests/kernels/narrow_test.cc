#include "kernels/narrow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

constexpr int kPatterns = 65536;

// The value of a pattern of `mantissa` bits under five or eight bits of exponent, from the definition.
double value_of(int bits, int mantissa, int bias) {
  const int exponent = bits >> mantissa & ((1 << (15 - mantissa)) - 1);
  const int fraction = bits & ((1 << mantissa) - 1);
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == (1 << (15 - mantissa)) - 1) return fraction != 0 ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - mantissa);
  return sign * std::ldexp(fraction + (1 << mantissa), exponent - bias - mantissa);
}

TEST(Narrow, EveryPatternWidensToItsValueAndComesBack) {
  for (int i = 0; i < kPatterns; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const double half = value_of(i, 10, 15);
    const double brain = value_of(i, 7, 127);
    if (std::isnan(half)) {
      EXPECT_TRUE(std::isnan(float_from_f16(bits))) << i;
      EXPECT_TRUE(std::isnan(float_from_f16(f16_from_float(float_from_f16(bits))))) << i;
    } else {
      EXPECT_EQ(float_from_f16(bits), half) << i;
      EXPECT_EQ(f16_from_float(float_from_f16(bits)), bits);
    }
    if (std::isnan(brain)) {
      EXPECT_TRUE(std::isnan(float_from_bf16(bits))) << i;
      EXPECT_TRUE(std::isnan(float_from_bf16(bf16_from_float(float_from_bf16(bits))))) << i;
    } else {
      EXPECT_EQ(float_from_bf16(bits), brain) << i;
      EXPECT_EQ(bf16_from_float(float_from_bf16(bits)), bits);
    }
  }
}

// Between two neighbours: the middle goes to the even one, a little less down, a little more up.
template <class Widen, class Round>
void check_rounding(int infinity, const Widen& widen, const Round& round) {
  for (int i = 0; i < infinity - 1; ++i) {
    const float low = widen(static_cast<std::uint16_t>(i));
    const float high = widen(static_cast<std::uint16_t>(i + 1));
    const float middle = low + (high - low) / 2;
    const int even = i % 2 == 0 ? i : i + 1;
    ASSERT_EQ(round(middle), even) << i;
    ASSERT_EQ(round(-middle), even | 0x8000) << i;
    ASSERT_EQ(round(std::nextafterf(middle, 0)), i);
    ASSERT_EQ(round(std::nextafterf(middle, INFINITY)), i + 1);
  }
}

TEST(Narrow, RoundsToNearestEven) {
  check_rounding(0x7c00, float_from_f16, f16_from_float);
  check_rounding(0x7f80, float_from_bf16, bf16_from_float);
}

TEST(Narrow, OverflowGivesInfinity) {
  EXPECT_EQ(f16_from_float(65519.996F), 0x7bff);
  EXPECT_EQ(f16_from_float(65520), 0x7c00);
  EXPECT_EQ(f16_from_float(-1e30F), 0xfc00);
  EXPECT_EQ(bf16_from_float(3.3895e38F), 0x7f7f);
  EXPECT_EQ(bf16_from_float(3.4e38F), 0x7f80);
  EXPECT_EQ(f16_from_float(INFINITY), 0x7c00);
  EXPECT_EQ(bf16_from_float(-INFINITY), 0xff80);
}

TEST(Narrow, EveryE4m3WidensToItsValue) {
  for (int i = 0; i < 256; ++i) {
    const int magnitude = i & 0x7f;
    const int exponent = magnitude >> 3;
    const int fraction = exponent == 0 ? magnitude : magnitude % 8 + 8;
    const double value = (i < 128 ? 1 : -1) * std::ldexp(fraction, std::max(exponent, 1) - 10);
    const float widened = float_from_e4m3(static_cast<std::uint8_t>(i));
    EXPECT_EQ(std::signbit(widened), i >= 128) << i;
    if (magnitude == 0x7f) {
      EXPECT_TRUE(std::isnan(widened)) << i;
    } else {
      EXPECT_EQ(widened, value) << i;
    }
  }
}

}  // namespace
}  // namespace tessera
