#include "kernels/arithmetic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <utility>

#include "kernels/activation.h"
#include "tests/kernels/harness.h"
#include "tests/kernels/rules.h"

namespace tessera::harness {
namespace {

using L = scalar::Lanes;

double ulp_error(float got, double truth) {
  const float rounded = static_cast<float>(truth);
  if (std::isinf(rounded) || std::isnan(truth))
    return got == rounded || (std::isnan(got) && std::isnan(truth)) ? 0 : 1e9;
  const double ulp = std::max(std::nextafterf(std::fabs(rounded), INFINITY) - std::fabs(rounded), 0x1p-149F);
  return std::fabs(static_cast<double>(got) - truth) / ulp;
}

double worst(float low, float high, const std::function<float(float)>& f, const std::function<double(double)>& truth) {
  double most = 0;
  const int steps = 400000;
  for (int i = 0; i <= steps; ++i) {
    const float x = low + (high - low) * static_cast<float>(i) / steps;
    most = std::max(most, ulp_error(f(x), truth(x)));
  }
  return most;
}

// The bounds that kernels/arithmetic.inc states, against the C library in double precision.
TEST(Arithmetic, ErrorsInUlp) {
  EXPECT_LE(worst(-104, 88.7F, scalar::exp<L>, [](double x) { return std::exp(x); }), 1.0);
  EXPECT_LE(worst(-20, 0, scalar::expm1<L>, [](double x) { return std::expm1(x); }), 1.2);
  EXPECT_LE(worst(0, 80, scalar::expm1<L>, [](double x) { return std::expm1(x); }), 1.5);
  EXPECT_LE(worst(1e-7F, 4, scalar::log<L>, [](double x) { return std::log(x); }), 1.0);
  EXPECT_LE(worst(4, 1e30F, scalar::log<L>, [](double x) { return std::log(x); }), 1.0);
  EXPECT_LE(worst(0, 1e-37F, scalar::log<L>, [](double x) { return std::log(x); }), 1.0);
  EXPECT_LE(worst(-10, 10, scalar::tanh<L>, [](double x) { return std::tanh(x); }), 2.5);
  EXPECT_LE(worst(-5, 5, scalar::erf<L>, [](double x) { return std::erf(x); }), 1.5);
  EXPECT_LE(worst(-80, 80, scalar::sigmoid<L>, [](double x) { return 1 / (1 + std::exp(-x)); }), 2.4);
}

TEST(Arithmetic, SineAndCosine) {
  for (const float top : {4.0F, 1000.0F, 1048576.0F}) {
    for (int i = -200000; i <= 200000; ++i) {
      const float x = top * static_cast<float>(i) / 200000;
      const auto got = scalar::sincos<L>(x);
      EXPECT_NEAR(got.sin, std::sin(double{x}), 8e-8) << x;
      EXPECT_NEAR(got.cos, std::cos(double{x}), 8e-8) << x;
    }
  }
}

TEST(Arithmetic, SquareOfTheSine) {
  for (const auto& [top, bound] : {std::pair{4.0F, 1e-7}, {1000.0F, 1e-7}, {1048576.0F, 1e-7}, {4194304.0F, 4e-6}}) {
    for (int i = -200000; i <= 200000; ++i) {
      const float x = top * static_cast<float>(i) / 200000;
      const float got = scalar::square_sine<L>(x);
      EXPECT_NEAR(got, std::sin(double{x}) * std::sin(double{x}), bound) << x;
      EXPECT_TRUE(got >= 0 && got <= 1) << x;
    }
  }
  EXPECT_EQ(scalar::square_sine<L>(INFINITY), scalar::square_sine<L>(0x1p+22F));
  EXPECT_TRUE(std::isnan(scalar::square_sine<L>(NAN)));
}

TEST(Arithmetic, SpecialValues) {
  EXPECT_EQ(scalar::exp<L>(100), INFINITY);
  EXPECT_EQ(scalar::exp<L>(-200), 0);
  EXPECT_EQ(scalar::log<L>(0), -INFINITY);
  EXPECT_EQ(scalar::log<L>(INFINITY), INFINITY);
  EXPECT_TRUE(std::isnan(scalar::log<L>(-1)));
  EXPECT_EQ(scalar::tanh<L>(-50), -1);
  EXPECT_EQ(scalar::erf<L>(50), 1);
  for (const auto f :
       {scalar::exp<L>, scalar::expm1<L>, scalar::log<L>, scalar::tanh<L>, scalar::erf<L>, scalar::gelu<L>}) {
    EXPECT_TRUE(std::isnan(f(NAN)));
  }
}

TEST(Activation, EveryBackendFollowsTheRule) {
  Random random(11);
  for (int i = 0; i < 40; ++i) {
    const std::int64_t rows = random.extent(20);
    const std::int64_t columns = random.extent(300);
    const auto f = static_cast<Activation>(i % 8);
    auto x = random.floats(rows * columns, i % 3 == 0 ? 50.0F : 2.0F);
    if (x.size() > 5) x[0] = NAN, x[1] = INFINITY, x[2] = -INFINITY, x[3] = -0.0F, x[4] = 1e-42F;
    std::vector<float> expected;
    for (const float v : x) expected.push_back(rules::activation(f, v));
    expect_bits("activation " + std::to_string(i % 8), expected, [&](Probe& p) {
      const ConstMatrix in = p.input(x, rows, columns);
      const Matrix out = p.output(rows, columns, columns + 3);
      return Prepared{[=, &p] { activate(p.context(), f, in, out); }, out};
    });
  }
}

}  // namespace
}  // namespace tessera::harness
