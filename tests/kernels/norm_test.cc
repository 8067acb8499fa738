#include "kernels/norm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/error.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

enum class Kind { layer, rms, group };

struct Job {
  Kind kind;
  std::int64_t rows, columns, groups;
  bool bias, in_place;
};

constexpr float kEpsilon = 1e-5F;

float element(const Job& j, float d, float scale, float weight, float bias) {
  return j.bias ? std::fma(d * scale, weight, bias) : d * scale * weight;
}

std::vector<float> row_rule(const Job& j, const std::vector<float>& x, const std::vector<float>& w,
                            const std::vector<float>& b) {
  std::vector<float> out;
  const auto n = static_cast<float>(j.columns);
  for (std::int64_t r = 0; r < j.rows; ++r) {
    const auto at = [&](std::int64_t i) { return x[r * j.columns + i]; };
    const float sum = sixteen_chains(j.columns, [&](float chain, std::int64_t i) { return chain + at(i); });
    const float mean = j.kind == Kind::rms ? 0.0F : sum / n;
    const float squares = sixteen_chains(
        j.columns, [&](float chain, std::int64_t i) { return std::fma(at(i) - mean, at(i) - mean, chain); });
    const float scale = 1.0F / std::sqrt(squares / n + kEpsilon);
    for (std::int64_t i = 0; i < j.columns; ++i) out.push_back(element(j, at(i) - mean, scale, w[i], b[i]));
  }
  return out;
}

// Slices of 256 positions, each one chain of the positions' own sums.
template <class Add>
float group_sum(const Job& j, const Add& add) {
  float total = 0.0F;
  for (std::int64_t first = 0; first < j.rows; first += 256) {
    float slice = 0.0F;
    for (std::int64_t r = first; r < std::min(j.rows, first + 256); ++r) {
      slice += sixteen_chains(j.columns / j.groups, [&](float chain, std::int64_t i) { return add(chain, r, i); });
    }
    total = first == 0 ? slice : total + slice;
  }
  return total;
}

std::vector<float> group_rule(const Job& j, const std::vector<float>& x, const std::vector<float>& w,
                              const std::vector<float>& b) {
  std::vector<float> out(x.size());
  const std::int64_t width = j.columns / j.groups;
  const auto n = static_cast<float>(j.rows * width);
  for (std::int64_t first = 0; first < j.columns; first += width) {
    const auto at = [&](std::int64_t r, std::int64_t i) { return x[r * j.columns + first + i]; };
    const float mean = group_sum(j, [&](float c, std::int64_t r, std::int64_t i) { return c + at(r, i); }) / n;
    const auto square = [&](float c, std::int64_t r, std::int64_t i) {
      return std::fma(at(r, i) - mean, at(r, i) - mean, c);
    };
    const float scale = 1.0F / std::sqrt(group_sum(j, square) / n + kEpsilon);
    for (std::int64_t r = 0; r < j.rows; ++r) {
      for (std::int64_t i = 0; i < width; ++i) {
        out[r * j.columns + first + i] = element(j, at(r, i) - mean, scale, w[first + i], b[first + i]);
      }
    }
  }
  return out;
}

void check(const Job& j, Random& random, float offset = 0.3F) {
  auto x = random.floats(j.rows * j.columns);
  for (float& v : x) v += offset;
  const auto w = random.floats(j.columns);
  const auto b = random.floats(j.columns);
  const char* kind = j.kind == Kind::layer ? "layer_norm " : j.kind == Kind::rms ? "rms_norm " : "group_norm ";
  const auto expected = j.kind == Kind::group ? group_rule(j, x, w, b) : row_rule(j, x, w, b);
  expect_bits(kind + to_string({j.rows, j.columns, j.groups}), expected, [&](Probe& p) {
    const bool in_place = j.in_place && !benchmarking();
    const Matrix out = in_place ? p.in_place(x, j.rows, j.columns) : p.output(j.rows, j.columns, j.columns + 3);
    const ConstMatrix in = in_place ? ConstMatrix(out) : p.input(x, j.rows, j.columns);
    const float* weight = p.input(w);
    const float* bias = j.bias ? p.input(b) : nullptr;
    const auto run = [=, &p] {
      if (j.kind == Kind::layer) layer_norm(p.context(), in, weight, bias, kEpsilon, out);
      if (j.kind == Kind::rms) rms_norm(p.context(), in, weight, kEpsilon, out);
      if (j.kind == Kind::group) group_norm(p.context(), in, j.groups, weight, bias, kEpsilon, out);
    };
    return Prepared{run, out};
  });
}

TEST(Norm, RowsFollowTheRuleOnEveryBackend) {
  Random random(21);
  for (int i = 0; i < tries(60); ++i) {
    const Kind kind = random.coin() ? Kind::layer : Kind::rms;
    const bool bias = kind == Kind::layer && random.coin();
    check({kind, random.extent(90), random.extent(600), 1, bias, random.coin()}, random, i % 5 == 0 ? 1000.0F : 0.3F);
  }
}

TEST(Norm, GroupsFollowTheRuleOnEveryBackend) {
  Random random(22);
  for (int i = 0; i < tries(40); ++i) {
    const std::int64_t groups = random.integer(1, 40);
    const std::int64_t width = random.extent(70, false);
    check({Kind::group, random.extent(600), groups * width, groups, random.coin(), random.coin()}, random);
  }
}

// The mean of every channel, then its scale, of a picture with something behind each of its rows.
void check_moments(std::int64_t rows, std::int64_t columns, std::int64_t width, std::int64_t groups, Random& random) {
  const Job j{Kind::group, rows * columns, width * groups, groups, false, false};
  const std::int64_t step = columns * j.columns + random.integer(0, 20);
  const auto x = random.floats(rows * step);
  const auto at = [&](std::int64_t g, std::int64_t r, std::int64_t i) {
    return x[r / columns * step + r % columns * j.columns + g * width + i];
  };
  std::vector<float> expected(2 * j.columns);
  const auto n = static_cast<float>(j.rows * width);
  for (std::int64_t c = 0; c < j.columns; ++c) {
    const std::int64_t g = c / width;
    const float mean = group_sum(j, [&](float sum, auto r, auto i) { return sum + at(g, r, i); }) / n;
    const auto square = [&](float sum, auto r, auto i) {
      return std::fma(at(g, r, i) - mean, at(g, r, i) - mean, sum);
    };
    expected[c] = mean;
    expected[j.columns + c] = 1.0F / std::sqrt(group_sum(j, square) / n + kEpsilon);
  }
  expect_bits("group_moments " + to_string({rows, columns, width, groups}), expected, [&](Probe& p) {
    const ConstPicture picture{p.input(x), rows, columns, j.columns, step};
    const Matrix moments = p.output(2, j.columns);
    return Prepared{[=, &p] { group_moments(p.context(), picture, groups, kEpsilon, moments.data); }, moments};
  });
}

TEST(Norm, MomentsFollowTheRuleOnEveryBackend) {
  Random random(26);
  for (const std::int64_t width : {1, 2, 3, 4, 8, 16, 20, 32}) {
    for (const std::int64_t groups : {1, 8, 24, 32}) {
      check_moments(random.integer(1, 30), random.integer(1, 30), width, groups, random);
    }
  }
}

void check_l2(const std::vector<float>& x, std::int64_t rows, std::int64_t columns, float epsilon, bool in_place) {
  std::vector<float> expected;
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    const float* row = x.data() + i / columns * columns;
    const float norm = std::sqrt(
        sixteen_chains(columns, [&](float chain, std::int64_t k) { return std::fma(row[k], row[k], chain); }));
    expected.push_back(x[i] / (norm < epsilon ? epsilon : norm));
  }
  expect_bits("l2_normalize " + to_string({rows, columns}), expected, [&](Probe& p) {
    const Matrix out = in_place ? p.in_place(x, rows, columns) : p.output(rows, columns, columns + 3);
    const ConstMatrix in = in_place ? ConstMatrix(out) : p.input(x, rows, columns);
    return Prepared{[=, &p] { l2_normalize(p.context(), in, epsilon, out); }, out};
  });
}

TEST(L2Normalize, EveryBackendFollowsTheRule) {
  Random random(25);
  for (int i = 0; i < tries(40); ++i) {
    const std::int64_t rows = random.extent(60);
    const std::int64_t columns = random.extent(200);
    check_l2(random.floats(rows * columns), rows, columns, i % 3 == 0 ? 5.0F : 1e-12F, random.coin());
  }
}

TEST(L2Normalize, SpecialValues) {
  const std::vector<float> rows = {0.0F, -0.0F, 0.0F, 1e-20F, 0.0F, 0.0F,     NAN,   1.0F,
                                   2.0F, 3e38F, 1.0F, 0.0F,   1.0F, INFINITY, 1e-7F, -1e-7F};
  check_l2(rows, 8, 2, 1e-12F, false);
}

TEST(Norm, SpecialValues) {
  Random random(23);
  const Job j{Kind::layer, 3, 20, 1, true, false};
  auto x = random.floats(60);
  x[3] = NAN, x[25] = INFINITY;
  for (int i = 40; i < 60; ++i) x[i] = 7.0F;  // no variance
  const auto w = random.floats(20);
  expect_bits("layer_norm of special values", row_rule(j, x, w, w), [&](Probe& p) {
    const ConstMatrix in = p.input(x, 3, 20);
    const float* weight = p.input(w);
    const Matrix out = p.output(3, 20);
    return Prepared{[=, &p] { layer_norm(p.context(), in, weight, weight, kEpsilon, out); }, out};
  });
}

TEST(Norm, Speed) {
  if (!benchmarking()) return;
  Random random(24);
  check({Kind::layer, 1500, 512, 1, true, false}, random);
  check({Kind::layer, 3000, 1280, 1, true, false}, random);
  check({Kind::layer, 2, 512, 1, true, false}, random);
  check({Kind::rms, 1500, 1024, 1, false, false}, random);
  check({Kind::group, 65536, 128, 32, true, false}, random);
  check({Kind::group, 4096, 512, 32, true, false}, random);
  check({Kind::group, 24000, 64, 1, true, false}, random);
  check({Kind::group, 2400, 32, 1, true, false}, random);
  check({Kind::group, 150, 512, 1, true, false}, random);
  check({Kind::group, 75, 768, 32, true, false}, random);
  for (const std::int64_t width : {4, 8, 16, 32}) check({Kind::group, 256, 32 * width, 32, true, false}, random);
  check_l2(random.floats(1500 * 8), 1500, 8, 1e-12F, false);
}

TEST(Norm, RefusesShapesThatDisagree) {
  Context context;
  const Tensor x = context.allocate({2, 6});
  const Tensor narrow = context.allocate({2, 5});
  EXPECT_THROW(layer_norm(context, x, x.data(), nullptr, kEpsilon, narrow), ArgumentError);
  EXPECT_THROW(rms_norm(context, x, x.data(), kEpsilon, narrow), ArgumentError);
  EXPECT_THROW(group_norm(context, x, 3, x.data(), nullptr, kEpsilon, narrow), ArgumentError);
  EXPECT_THROW(group_norm(context, x, 4, x.data(), nullptr, kEpsilon, x), ArgumentError);
  EXPECT_THROW(group_norm(context, x, 0, x.data(), nullptr, kEpsilon, x), ArgumentError);
  EXPECT_THROW(l2_normalize(context, x, kEpsilon, narrow), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
