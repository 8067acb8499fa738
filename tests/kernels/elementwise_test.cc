#include "kernels/elementwise.h"

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

enum class Kind { add, multiply, scale, scale_columns, shift_columns, copy_rows, fill };
constexpr const char* kNames[] = {"add", "multiply", "scale", "scale_columns", "shift_columns", "copy_rows", "fill"};

float rule(Kind kind, float a, float b, float vector, float factor) {
  switch (kind) {
    case Kind::add:
      return a + b;
    case Kind::multiply:
      return a * b;
    case Kind::scale:
      return a * factor;
    case Kind::scale_columns:
      return a * vector;
    case Kind::shift_columns:
      return a + vector;
    case Kind::copy_rows:
      return a;
    case Kind::fill:
      return factor;
  }
  return 0.0F;
}

void check(Kind kind, std::int64_t rows, std::int64_t columns, bool in_place, Random& random) {
  const auto a = random.floats(rows * columns);
  const auto b = random.floats(rows * columns);
  const auto vector = random.floats(columns);
  constexpr float kFactor = 0.3F;
  std::vector<float> expected;
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    expected.push_back(rule(kind, a[i], b[i], vector[i % columns], kFactor));
  }
  expect_bits(kNames[static_cast<int>(kind)] + to_string({rows, columns}), expected, [&](Probe& p) {
    const Matrix out = in_place ? p.in_place(a, rows, columns) : p.output(rows, columns, columns + 3);
    const ConstMatrix x = in_place ? ConstMatrix(out) : p.input(a, rows, columns);
    const ConstMatrix y = p.input(b, rows, columns);
    const float* v = p.input(vector);
    const auto run = [=, &p] {
      switch (kind) {
        case Kind::add:
          return add(p.context(), x, y, out);
        case Kind::multiply:
          return multiply(p.context(), x, y, out);
        case Kind::scale:
          return scale(p.context(), x, kFactor, out);
        case Kind::scale_columns:
          return scale_columns(p.context(), x, v, out);
        case Kind::shift_columns:
          return shift_columns(p.context(), x, v, out);
        case Kind::copy_rows:
          return copy_rows(p.context(), x, out);
        case Kind::fill:
          return fill(p.context(), kFactor, out);
      }
    };
    return Prepared{run, out};
  });
}

TEST(Elementwise, EveryBackendFollowsTheRule) {
  Random random(61);
  for (int i = 0; i < 70; ++i) {
    check(static_cast<Kind>(i % 7), random.extent(90), random.extent(600), random.coin(), random);
  }
}

TEST(Elementwise, Speed) {
  if (!benchmarking()) return;
  Random random(62);
  for (int i = 0; i < 7; ++i) check(static_cast<Kind>(i), 1500, 512, false, random);
}

TEST(Elementwise, RefusesShapesThatDisagree) {
  Context context;
  const Tensor x = context.allocate({2, 6});
  const Tensor other = context.allocate({3, 6});
  EXPECT_THROW(add(context, x, other, x), ArgumentError);
  EXPECT_THROW(add(context, other, x, x), ArgumentError);
  EXPECT_THROW(multiply(context, x, other, x), ArgumentError);
  EXPECT_THROW(scale(context, x, 2.0F, other), ArgumentError);
  EXPECT_THROW(scale_columns(context, x, x.data(), other), ArgumentError);
  EXPECT_THROW(shift_columns(context, x, x.data(), other), ArgumentError);
  EXPECT_THROW(copy_rows(context, x, other), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
