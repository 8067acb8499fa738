#include "kernels/rotary.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/arithmetic.h"
#include "kernels/error.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

struct Job {
  std::int64_t rows;
  RotaryShape shape;
  std::int64_t first_position;
};

std::vector<float> rotary_rule(const Job& j, const std::vector<float>& frequencies, std::vector<float> x) {
  const int half = j.shape.rotary_dim / 2;
  const bool neighbours = j.shape.layout == RotaryLayout::interleaved;
  for (std::int64_t row = 0; row < j.rows; ++row) {
    for (int h = 0; h < j.shape.heads; ++h) {
      float* head = x.data() + (row * j.shape.heads + h) * j.shape.head_dim;
      for (int i = 0; i < half; ++i) {
        const auto turn = scalar::sincos<scalar::Lanes>(static_cast<float>(j.first_position + row) * frequencies[i]);
        float& a = head[neighbours ? 2 * i : i];
        float& b = head[neighbours ? 2 * i + 1 : i + half];
        const float x1 = a;
        a = std::fma(x1, turn.cos, -(b * turn.sin));
        b = std::fma(b, turn.cos, x1 * turn.sin);
      }
    }
  }
  return x;
}

void check(const Job& j, Random& random) {
  const std::int64_t columns = static_cast<std::int64_t>(j.shape.heads) * j.shape.head_dim;
  const auto x = random.floats(j.rows * columns);
  const auto frequencies = rotary_frequencies(10000.0F, j.shape.rotary_dim);
  const std::string name = "rotary " + to_string({j.rows, j.shape.heads, j.shape.head_dim, j.shape.rotary_dim});
  // Each run turns the result of the last, so only the first one is compared.
  expect_bits(name, rotary_rule(j, frequencies, x), [&](Probe& p) {
    const float* f = p.input(frequencies);
    const Matrix m = p.in_place(x, j.rows, columns);
    return Prepared{[=, &p] { rotary(p.context(), j.shape, f, j.first_position, m); }, m};
  });
}

TEST(Rotary, EveryBackendFollowsTheRule) {
  Random random(31);
  for (int i = 0; i < tries(60); ++i) {
    Job j{};
    j.rows = random.extent(60);
    j.shape.heads = static_cast<int>(random.integer(1, 5));
    j.shape.head_dim = static_cast<int>(random.extent(130, false));
    j.shape.rotary_dim =
        static_cast<int>(random.coin() ? j.shape.head_dim / 2 * 2 : random.integer(0, j.shape.head_dim / 2) * 2);
    j.shape.layout = random.coin() ? RotaryLayout::half_split : RotaryLayout::interleaved;
    j.first_position = random.coin() ? random.integer(0, 100) : random.integer(0, std::int64_t{1} << 40);
    check(j, random);
  }
}

// Element by element against double precision, and the definition as a rotation of complex numbers.
TEST(Rotary, TurnsPairsByPositionTimesFrequency) {
  for (const RotaryLayout layout : {RotaryLayout::half_split, RotaryLayout::interleaved}) {
    Context context;
    const auto frequencies = rotary_frequencies(500000.0F, 6);
    Tensor x = context.allocate({3, 8});
    for (int i = 0; i < 24; ++i) x.data()[i] = static_cast<float>(i + 1);
    rotary(context, {1, 8, 6, layout}, frequencies.data(), 7, x);
    for (int r = 0; r < 3; ++r) {
      for (int j = 0; j < 3; ++j) {
        const int a = layout == RotaryLayout::interleaved ? 2 * j : j;
        const int b = layout == RotaryLayout::interleaved ? 2 * j + 1 : j + 3;
        const double angle = (7 + r) * std::pow(500000.0, -j / 3.0);
        const double x1 = r * 8 + a + 1;
        const double x2 = r * 8 + b + 1;
        EXPECT_NEAR(x.data()[r * 8 + a], x1 * std::cos(angle) - x2 * std::sin(angle), 2e-5);
        EXPECT_NEAR(x.data()[r * 8 + b], x2 * std::cos(angle) + x1 * std::sin(angle), 2e-5);
      }
      EXPECT_EQ(x.data()[r * 8 + 6], static_cast<float>(r * 8 + 7));
      EXPECT_EQ(x.data()[r * 8 + 7], static_cast<float>(r * 8 + 8));
    }
  }
}

// 1.0 / 10000.0 ** (torch.arange(0, 8, 2).float() / 8), PyTorch's digits.
TEST(Rotary, FrequenciesAreThoseOfPyTorch) {
  const std::vector<float> expected = {1.0F, 0.1F, 0.01F, 0.001F};
  const auto got = rotary_frequencies(10000.0F, 8);
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], expected[i]);
}

TEST(Rotary, Speed) {
  if (!benchmarking()) return;
  Random random(32);
  check({1500, {8, 64, 64, RotaryLayout::interleaved}, 0}, random);
  check({3000, {20, 64, 64, RotaryLayout::half_split}, 0}, random);
  check({2, {8, 64, 64, RotaryLayout::half_split}, 1000}, random);
}

TEST(Rotary, RefusesShapesThatDisagree) {
  Context context;
  Tensor x = context.allocate({2, 8});
  const auto f = rotary_frequencies(10000.0F, 8);
  EXPECT_THROW(rotary(context, {2, 8, 8, {}}, f.data(), 0, x), ArgumentError);
  EXPECT_THROW(rotary(context, {2, 4, 3, {}}, f.data(), 0, x), ArgumentError);
  EXPECT_THROW(rotary(context, {2, 4, 6, {}}, f.data(), 0, x), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
