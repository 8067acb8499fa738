#include "kernels/constants.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tessera {
namespace {

constexpr double kError = 2e-15;
constexpr long double kTwoPi = 6.283185307179586476925286766559L;

double relative(double got, double truth) { return std::fabs(got - truth) / std::max(1e-300, std::fabs(truth)); }

TEST(Constants, TurnsAgreeWithTheLibrary) {
  for (const long long denominator : {1, 2, 3, 7, 12, 400, 960, 1023, 1920, 65537}) {
    for (long long i = -2 * denominator; i <= 2 * denominator; i += 1 + denominator / 300) {
      const long double angle = kTwoPi * static_cast<long double>(i) / static_cast<long double>(denominator);
      EXPECT_NEAR(cos_turns(i, denominator), static_cast<double>(cosl(angle)), kError) << i << "/" << denominator;
      EXPECT_NEAR(sin_turns(i, denominator), static_cast<double>(sinl(angle)), kError) << i << "/" << denominator;
    }
  }
}

TEST(Constants, QuarterTurnsAreExact) {
  const double wave[] = {1, 0, -1, 0};  // cosine at quarters 0…3
  for (const long long denominator : {4, 8, 960, 1 << 20}) {
    for (long long quarter = -8; quarter <= 8; ++quarter) {
      EXPECT_EQ(cos_turns(quarter * denominator / 4, denominator), wave[(quarter + 8) % 4]);
      EXPECT_EQ(sin_turns(quarter * denominator / 4, denominator), wave[(quarter + 11) % 4]);
    }
  }
}

// The angle is reduced in integers: whole turns change no bit, mirrors only the sign.
TEST(Constants, TurnsAreSymmetric) {
  for (const long long denominator : {3, 10, 960, 4097}) {
    for (long long i = 0; i < denominator; i += 1 + denominator / 200) {
      EXPECT_EQ(cos_turns(i + 1000000007 * denominator, denominator), cos_turns(i, denominator));
      EXPECT_EQ(sin_turns(i - 1000000007 * denominator, denominator), sin_turns(i, denominator));
      EXPECT_EQ(cos_turns(-i, denominator), cos_turns(i, denominator));
      EXPECT_EQ(sin_turns(-i, denominator), -sin_turns(i, denominator));
    }
  }
}

TEST(Constants, SineAndCosineAgreeWithTheLibrary) {
  for (const double top : {1.0, 20.0, 1e5}) {
    for (int i = -20000; i <= 20000; ++i) {
      const double x = top * i / 20000;
      EXPECT_NEAR(exact_sin(x), std::sin(x), kError) << x;
      EXPECT_NEAR(exact_cos(x), std::cos(x), kError) << x;
    }
  }
  EXPECT_EQ(exact_sin(0), 0);
  EXPECT_EQ(exact_cos(0), 1);
}

TEST(Constants, ExponentialAndLogarithmAgreeWithTheLibrary) {
  for (int i = -20000; i <= 20000; ++i) {
    const double x = 700.0 * i / 20000;
    EXPECT_LE(relative(exact_exp(x), std::exp(x)), kError) << x;
    const double y = std::exp(x);
    EXPECT_LE(std::fabs(exact_log(y) - std::log(y)), kError * std::max(1.0, std::fabs(std::log(y)))) << y;
    const double near_one = 1 + 0.4 * i / 20000;
    EXPECT_LE(relative(exact_log(near_one), std::log(near_one)), i == 0 ? 0.0 : kError) << near_one;
  }
  EXPECT_EQ(exact_exp(0), 1);
  EXPECT_EQ(exact_log(1), 0);
}

TEST(Constants, PowerAgreesWithTheLibrary) {
  for (const double base : {0.5, 2.0, 10.0, 500.0, 10000.0, 1e6}) {
    for (int i = -400; i <= 400; ++i) {
      const double exponent = i / 200.0;
      // The exponential turns the absolute error of its argument into a relative one.
      const double argument = std::max(1.0, std::fabs(exponent * std::log(base)));
      EXPECT_LE(relative(exact_pow(base, exponent), std::pow(base, exponent)), kError * argument);
    }
  }
}

}  // namespace
}  // namespace tessera
