#include "kernels/snake.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "kernels/arithmetic.h"
#include "kernels/error.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

// x + sin^2(alpha x) / (alpha + 1e-9), with the squared sine that arithmetic_test.cc holds to its bound.
std::vector<float> rule(const std::vector<float>& x, const std::vector<float>& alpha) {
  std::vector<float> out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float a = alpha[i % alpha.size()];
    const float squared = scalar::square_sine<scalar::Lanes>(a * x[i]);
    const float reciprocal = 1.0F / (a + 1e-9F);
    const float bump = reciprocal * squared;
    out.push_back(x[i] + bump);
  }
  return out;
}

void check(const std::vector<float>& x, const std::vector<float>& alpha, std::int64_t rows, bool in_place) {
  const auto channels = static_cast<std::int64_t>(alpha.size());
  expect_bits("snake " + to_string({rows, channels}), rule(x, alpha), [&](Probe& p) {
    const Matrix out = in_place ? p.in_place(x, rows, channels) : p.output(rows, channels, channels + 3);
    const ConstMatrix in = in_place ? ConstMatrix(out) : p.input(x, rows, channels);
    auto weights = std::make_shared<SnakeWeights>(make_snake(p.context(), alpha));
    return Prepared{[=, &p] { snake(p.context(), in, *weights, out); }, out};
  });
}

TEST(Snake, EveryBackendFollowsTheRule) {
  Random random(71);
  for (int i = 0; i < tries(60); ++i) {
    const std::int64_t rows = random.extent(70);
    const std::int64_t channels = random.extent(300);
    const auto x = random.floats(rows * channels, i % 4 == 0 ? 3000.0F : 2.0F);
    check(x, random.floats(channels, i % 3 == 0 ? 40.0F : 1.0F), rows, random.coin());
  }
}

TEST(Snake, SpecialValues) {
  const std::vector<float> values = {NAN,   INFINITY, -INFINITY, 0.0F,    -0.0F,         1e-42F, 3e38F,
                                     -3e38, 0x1p+22F, 0x1p+20F,  -1e-20F, 0x1.921fb6p0F, 1e-9F,  -1e-9F};
  for (const float alpha : values) check(values, std::vector<float>(values.size(), alpha), 1, false);
}

// A plain loop over the C library's sine, for --bench to compare with.
void time_plain_loop(const std::vector<float>& x, const std::vector<float>& alpha, std::int64_t rows) {
  std::vector<float> out(x.size());
  std::vector<float> reciprocal;
  for (const float a : alpha) reciprocal.push_back(1.0F / (a + 1e-9F));
  double best = 1e9;
  for (int run = 0; run < 5; ++run) {
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t first = 0; first < x.size(); first += alpha.size()) {
      for (std::size_t c = 0; c < alpha.size(); ++c) {
        const float s = std::sin(alpha[c] * x[first + c]);
        out[first + c] = x[first + c] + reciprocal[c] * s * s;
      }
    }
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  const std::string name = "snake " + to_string({rows, static_cast<std::int64_t>(alpha.size())});
  std::printf("%-44s %-16s %10.2f us (%g)\n", name.c_str(), "std::sin", best * 1e6, double{out.back()});
}

TEST(Snake, Speed) {
  if (!benchmarking()) return;
  Random random(72);
  for (const auto& [rows, channels] : {std::array<std::int64_t, 2>{170, 96}, {5500, 96}, {700, 768}, {44100, 96}}) {
    const auto x = random.floats(rows * channels);
    const auto alpha = random.floats(channels);
    check(x, alpha, rows, false);
    time_plain_loop(x, alpha, rows);
  }
}

TEST(Snake, RefusesShapesThatDisagree) {
  Context context;
  const SnakeWeights weights = make_snake(context, std::vector<float>(4));
  const Tensor x = context.allocate({3, 4});
  const Tensor shorter = context.allocate({2, 4});
  const Tensor wider = context.allocate({3, 5});
  EXPECT_THROW(snake(context, x, weights, shorter), ArgumentError);
  EXPECT_THROW(snake(context, wider, weights, wider), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
