#include "kernels/embedding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "kernels/error.h"
#include "kernels/narrow.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

void check(std::int64_t entries, std::int64_t rows, std::int64_t columns, bool sum, Random& random) {
  const auto table = random.floats(entries * columns);
  const auto before = random.floats(rows * columns);
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < rows; ++i) ids.push_back(static_cast<std::int32_t>(random.integer(0, entries - 1)));
  std::vector<float> expected;
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    const float x = table[ids[i / columns] * columns + i % columns];
    expected.push_back(sum ? before[i] + x : x);
  }
  const std::string name = (sum ? "embedding_sum " : "embedding ") + to_string({entries, rows, columns});
  expect_bits(name, expected, [&](Probe& p) {
    const ConstMatrix t = p.input(table, entries, columns);
    const std::int32_t* at = p.input(ids);
    const Matrix out = sum ? p.in_place(before, rows, columns) : p.output(rows, columns, columns + 3);
    const auto run = [=, &p] { sum ? embedding_sum(p.context(), t, at, out) : embedding(p.context(), t, at, out); };
    return Prepared{run, out};
  });
}

void check_narrow(std::int64_t entries, std::int64_t rows, std::int64_t columns, DType type, Random& random) {
  const bool half = type == DType::f16;
  std::vector<std::uint16_t> stored;
  for (const float x : random.floats(entries * columns))
    stored.push_back(half ? f16_from_float(x) : bf16_from_float(x));
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < rows; ++i) ids.push_back(static_cast<std::int32_t>(random.integer(0, entries - 1)));
  std::vector<float> expected;
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    const std::uint16_t bits = stored[ids[i / columns] * columns + i % columns];
    expected.push_back(half ? float_from_f16(bits) : float_from_bf16(bits));
  }
  const std::string name = std::string("embedding of ") + name_of(type) + " " + to_string({entries, rows, columns});
  expect_bits(name, expected, [&](Probe& p) {
    const auto table = std::make_shared<Tensor>(p.context().allocate({entries, columns}, type));
    p.context().upload(stored.data(), table->bytes(), stored.size() * sizeof(std::uint16_t));
    const std::int32_t* at = p.input(ids);
    const Matrix out = p.output(rows, columns, columns + 3);
    return Prepared{[=, &p] { embedding(p.context(), *table, at, out); }, out};
  });
}

void check_weighted(std::int64_t entries, std::int64_t terms, std::int64_t rows, std::int64_t columns, Random& random) {
  const auto table = random.floats(entries * columns);
  const auto before = random.floats(rows * columns);
  const auto weights = random.floats(rows * terms);
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < rows * terms; ++i) {
    ids.push_back(static_cast<std::int32_t>(random.integer(0, entries - 1)));
  }
  std::vector<float> expected = before;
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    for (std::int64_t t = i / columns * terms; t < (i / columns + 1) * terms; ++t) {
      expected[i] = std::fma(weights[t], table[ids[t] * columns + i % columns], expected[i]);
    }
  }
  expect_bits("embedding_weighted_sum " + to_string({entries, terms, rows, columns}), expected, [&](Probe& p) {
    const ConstMatrix t = p.input(table, entries, columns);
    const std::int32_t* at = p.input(ids);
    const float* w = p.input(weights);
    const Matrix out = p.in_place(before, rows, columns);
    return Prepared{[=, &p] { embedding_weighted_sum(p.context(), t, terms, at, w, out); }, out};
  });
}

TEST(Embedding, WeightedSumFollowsTheRule) {
  Random random(53);
  for (int i = 0; i < tries(30); ++i) {
    check_weighted(random.integer(1, 50), random.integer(1, 9), random.extent(60), random.extent(300), random);
  }
}

TEST(Embedding, EveryBackendFollowsTheRule) {
  Random random(51);
  for (int i = 0; i < tries(40); ++i) {
    check(random.integer(1, 50), random.extent(90), random.extent(600), random.coin(), random);
  }
}

TEST(Embedding, OfNarrowTablesFollowsTheRule) {
  Random random(54);
  for (int i = 0; i < tries(30); ++i) {
    const DType type = random.coin() ? DType::f16 : DType::bf16;
    check_narrow(random.integer(1, 50), random.extent(60), random.integer(1, 300), type, random);
  }
}

TEST(Embedding, Speed) {
  if (!benchmarking()) return;
  Random random(52);
  check(2048, 1500, 256, false, random);
  check(2048, 1500, 256, true, random);
  check_weighted(2048, 8, 500, 2048, random);
}

TEST(Embedding, RefusesShapesThatDisagree) {
  Context context;
  const Tensor table = context.allocate({4, 3});
  const Tensor out = context.allocate({2, 4});
  const std::int32_t ids[] = {0, 1};
  EXPECT_THROW(embedding(context, table, ids, out), ArgumentError);
  EXPECT_THROW(embedding_sum(context, table, ids, out), ArgumentError);
  const float weights[] = {1, 1};
  EXPECT_THROW(embedding_weighted_sum(context, table, 1, ids, weights, out), ArgumentError);
  EXPECT_THROW(embedding_weighted_sum(context, table, 0, ids, weights, context.allocate({2, 3})), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
