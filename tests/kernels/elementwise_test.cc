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
  for (int i = 0; i < tries(70); ++i) {
    check(static_cast<Kind>(i % 7), random.extent(90), random.extent(600), random.coin(), random);
  }
}

void check_mean(std::int64_t rows, std::int64_t columns, std::int64_t factor, std::int64_t spare, Random& random) {
  const auto x = random.floats((rows * factor + spare) * columns);
  std::vector<float> expected;
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    const float* first = x.data() + i / columns * factor * columns + i % columns;
    float sum = first[0];
    for (std::int64_t t = 1; t < factor; ++t) sum += first[t * columns];
    expected.push_back(sum / static_cast<float>(factor));
  }
  expect_bits("mean_frames" + to_string({rows, columns, factor}), expected, [&](Probe& p) {
    const ConstMatrix in = p.input(x, rows * factor + spare, columns);
    const Matrix out = p.output(rows, columns, columns + 3);
    return Prepared{[=, &p] { mean_frames(p.context(), in, factor, out); }, out};
  });
}

void check_repeat(std::int64_t rows, std::int64_t columns, std::int64_t factor, Random& random) {
  const auto x = random.floats(rows * columns);
  std::vector<float> expected;
  for (std::int64_t t = 0; t < rows * factor; ++t) {
    for (std::int64_t c = 0; c < columns; ++c) expected.push_back(x[t / factor * columns + c]);
  }
  expect_bits("repeat_frames" + to_string({rows, columns, factor}), expected, [&](Probe& p) {
    const ConstMatrix in = p.input(x, rows, columns);
    const Matrix out = p.output(rows * factor, columns, columns + 3);
    return Prepared{[=, &p] { repeat_frames(p.context(), in, factor, out); }, out};
  });
}

TEST(Frames, EveryBackendFollowsTheRule) {
  Random random(63);
  for (int i = 0; i < tries(40); ++i) {
    const std::int64_t factor = random.integer(1, 9);
    check_mean(random.extent(60), random.extent(300), factor, random.integer(0, factor - 1), random);
    check_repeat(random.extent(60), random.extent(300), factor, random);
  }
}

TEST(Frames, Speed) {
  if (!benchmarking()) return;
  Random random(64);
  check_mean(750, 512, 8, 0, random);
  check_repeat(750, 512, 8, random);
}

TEST(Frames, RefusesShapesThatDisagree) {
  Context context;
  const Tensor x = context.allocate({7, 6});
  const Tensor third = context.allocate({2, 6});
  const Tensor triple = context.allocate({21, 6});
  EXPECT_NO_THROW(mean_frames(context, x, 3, third));
  EXPECT_NO_THROW(repeat_frames(context, x, 3, triple));
  EXPECT_THROW(mean_frames(context, x, 2, third), ArgumentError);
  EXPECT_THROW(mean_frames(context, x, 0, third), ArgumentError);
  EXPECT_THROW(mean_frames(context, x, 3, third.matrix().columns_from(0, 5)), ArgumentError);
  EXPECT_THROW(repeat_frames(context, x, 2, triple), ArgumentError);
  EXPECT_THROW(repeat_frames(context, x, 0, triple), ArgumentError);
  EXPECT_THROW(repeat_frames(context, x, 3, triple.matrix().columns_from(0, 5)), ArgumentError);
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
