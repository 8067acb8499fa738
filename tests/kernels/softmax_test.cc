#include "kernels/softmax.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/arithmetic.h"
#include "kernels/error.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

std::vector<float> softmax_rule(std::int64_t columns, std::vector<float> x) {
  for (auto row = x.begin(); columns != 0 && row != x.end(); row += columns) {
    const float most = *std::max_element(row, row + columns);
    for (auto e = row; e != row + columns; ++e) *e = scalar::exp<scalar::Lanes>(*e - most);
    const float sum = sixteen_chains(columns, [&](float chain, std::int64_t i) { return chain + row[i]; });
    for (auto e = row; e != row + columns; ++e) *e = *e / sum;
  }
  return x;
}

void check(const std::vector<float>& x, std::int64_t rows, std::int64_t columns, bool in_place) {
  expect_bits("softmax " + to_string({rows, columns}), softmax_rule(columns, x), [&](Probe& p) {
    const Matrix out = in_place ? p.in_place(x, rows, columns) : p.output(rows, columns, columns + 3);
    const ConstMatrix in = in_place ? ConstMatrix(out) : p.input(x, rows, columns);
    return Prepared{[=, &p] { softmax(p.context(), in, out); }, out};
  });
}

TEST(Softmax, EveryBackendFollowsTheRule) {
  Random random(71);
  for (int i = 0; i < tries(40); ++i) {
    const std::int64_t rows = random.extent(60);
    const std::int64_t columns = random.extent(600);
    check(random.floats(rows * columns, i % 3 == 0 ? 100.0F : 2.0F), rows, columns, random.coin());
  }
}

TEST(Softmax, SpecialValues) {
  for (const std::int64_t columns : {5, 16, 37}) {
    for (const float special : {NAN, INFINITY, -INFINITY}) {
      for (std::int64_t at = 0; at < columns; ++at) {
        std::vector<float> x(static_cast<std::size_t>(columns), 1.0F);
        x[at] = special;
        check(x, 1, columns, false);
      }
    }
    check(std::vector<float>(static_cast<std::size_t>(columns), -INFINITY), 1, columns, false);
    check(std::vector<float>(static_cast<std::size_t>(columns), -3e38F), 1, columns, false);
  }
}

TEST(Softmax, Speed) {
  if (!benchmarking()) return;
  Random random(72);
  check(random.floats(1500 * 2048), 1500, 2048, false);
  check(random.floats(151936), 1, 151936, false);
}

TEST(Softmax, RefusesShapesThatDisagree) {
  Context context;
  const Tensor x = context.allocate({2, 6});
  const Tensor other = context.allocate({3, 6});
  EXPECT_THROW(softmax(context, x, other), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
