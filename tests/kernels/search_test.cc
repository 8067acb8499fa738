#include "kernels/search.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "kernels/error.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

using Ids = std::vector<std::int32_t>;

// Ids as the harness compares and reads them: words.
std::vector<float> as_floats(const Ids& ids) {
  std::vector<float> words;
  for (const std::int32_t id : ids) words.push_back(std::bit_cast<float>(id));
  return words;
}

ConstMatrix as_rows(const std::int32_t* ids, std::int64_t count) {
  return {reinterpret_cast<const float*>(ids), count, 1};
}

// The first of the largest values; NaN and -infinity never win.
Ids argmax_rule(const std::vector<float>& x, std::int64_t rows, std::int64_t columns) {
  Ids ids;
  for (std::int64_t r = 0; r < rows; ++r) {
    std::int32_t best = 0;
    float most = -INFINITY;
    for (std::int64_t c = 0; c < columns; ++c) {
      if (x[r * columns + c] > most) best = static_cast<std::int32_t>(c), most = x[r * columns + c];
    }
    ids.push_back(best);
  }
  return ids;
}

void check_argmax(const std::string& name, const std::vector<float>& x, std::int64_t rows, std::int64_t columns) {
  expect_bits("argmax_rows " + name, as_floats(argmax_rule(x, rows, columns)), [&](Probe& p) {
    const ConstMatrix in = p.input(x, rows, columns);
    std::int32_t* ids = p.int_output(rows);
    return Prepared{[=, &p] { argmax_rows(p.context(), in, ids); }, as_rows(ids, rows)};
  });
}

// Few different values: most rows have ties, between lanes, chunks and threads.
TEST(Argmax, TiesGoToTheLowestIndex) {
  Random random(51);
  for (int i = 0; i < tries(60); ++i) {
    const std::int64_t rows = random.extent(40);
    const std::int64_t columns = random.extent(600);
    auto x = random.floats(rows * columns);
    for (float& v : x) v = std::nearbyint(v) / (i % 2 == 0 ? 1.0F : 4.0F);
    check_argmax(to_string({rows, columns}), x, rows, columns);
  }
}

TEST(Argmax, EveryPositionCanWin) {
  std::vector<float> x(300 * 300, -3.0F);
  for (std::int64_t i = 0; i < 300; ++i) x[i * 300 + i] = -2.0F;
  check_argmax("diagonal", x, 300, 300);
}

TEST(Argmax, SpecialValues) {
  Random random(52);
  const float specials[] = {NAN, -NAN, INFINITY, -INFINITY, 0.0F, -0.0F, 1e-42F, -3e38F};
  for (const std::int64_t columns : {1, 2, 15, 16, 17, 33, 130, 257}) {
    for (const std::int64_t kinds : {2, 4, 8}) {  // 2: nothing but NaN
      std::vector<float> x(static_cast<std::size_t>(30 * columns));
      for (float& v : x) v = specials[random.integer(0, kinds - 1)];
      check_argmax("special " + to_string({kinds, columns}), x, 30, columns);
    }
  }
  check_argmax("-infinity", std::vector<float>(40, -INFINITY), 2, 20);
  check_argmax("NaN, then -infinity", {NAN, -INFINITY, -INFINITY}, 1, 3);
  check_argmax("-0 and 0 tie", {-1.0F, -0.0F, 0.0F}, 1, 3);
}

// argmax of x·e + (-|e|^2 / 2).
std::vector<float> scores_rule(const std::vector<float>& x, std::int64_t rows, std::int64_t step,
                               const std::vector<float>& entries, std::int64_t size, std::int64_t width) {
  std::vector<float> scores;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t e = 0; e < size; ++e) {
      const auto entry = [&](std::int64_t k) { return entries[e * width + k]; };
      const float half_square = 0.5F * dot(width, entry, entry);
      scores.push_back(dot(
                           width, [&](std::int64_t k) { return x[r * step + k]; }, entry) +
                       -half_square);
    }
  }
  return scores;
}

void check_nearest(Random& random, std::int64_t rows, std::int64_t size, std::int64_t width, std::int64_t gap) {
  auto entries = random.floats(size * width);
  // The second half repeats the first: every search ends in a tie.
  for (std::int64_t i = size / 2 * width; i < size / 2 * 2 * width; ++i) entries[i] = entries[i - size / 2 * width];
  const auto x = random.floats(rows * (width + gap));
  const Ids expected = argmax_rule(scores_rule(x, rows, width + gap, entries, size, width), rows, size);
  expect_bits("nearest_codes " + to_string({rows, size, width}), as_floats(expected), [&](Probe& p) {
    const ConstMatrix in(p.input(x), rows, width, width + gap);
    auto codebook = std::make_shared<Codebook>(pack_codebook(p.context(), {entries.data(), size, width}));
    std::int32_t* codes = p.int_output(rows);
    const double flops = 2.0 * static_cast<double>(rows * size * width);
    return Prepared{[=, &p] { nearest_codes(p.context(), in, *codebook, codes); }, as_rows(codes, rows), flops};
  });
}

TEST(NearestCodes, EveryBackendFollowsTheRule) {
  Random random(53);
  for (int i = 0; i < tries(40); ++i) {
    check_nearest(random, random.extent(60), random.extent(100, false), random.extent(300, false),
                  random.integer(0, 3));
  }
  check_nearest(random, 700, 50, 24, 0);  // more rows than are scored at once
}

TEST(NearestCodes, Speed) {
  if (!benchmarking()) return;
  Random random(54);
  check_nearest(random, 1500, 2048, 256, 0);
  check_nearest(random, 1500, 1024, 128, 0);
}

TEST(SubtractEntries, EveryBackendFollowsTheRule) {
  Random random(55);
  for (int i = 0; i < tries(30); ++i) {
    const std::int64_t rows = random.extent(70);
    const std::int64_t width = random.extent(130, false);
    const std::int64_t size = random.integer(1, 40);
    const auto x = random.floats(rows * width);
    const auto entries = random.floats(size * width);
    Ids codes;
    std::vector<float> expected = x;
    for (std::int64_t r = 0; r < rows; ++r) {
      codes.push_back(static_cast<std::int32_t>(random.integer(0, size - 1)));
      for (std::int64_t c = 0; c < width; ++c) expected[r * width + c] -= entries[codes.back() * width + c];
    }
    expect_bits("subtract_entries " + to_string({rows, size, width}), expected, [&](Probe& p) {
      auto codebook = std::make_shared<Codebook>(pack_codebook(p.context(), {entries.data(), size, width}));
      const std::int32_t* ids = p.input(codes);
      const Matrix rest = p.in_place(x, rows, width);
      return Prepared{[=, &p] { subtract_entries(p.context(), *codebook, ids, rest); }, rest};
    });
  }
}

TEST(Search, RefusesWidthsThatDiffer) {
  Context context;
  const std::vector<float> entries(12);
  const Codebook codebook = pack_codebook(context, {entries.data(), 3, 4});
  EXPECT_EQ(codebook.size(), 3);
  EXPECT_EQ(codebook.width(), 4);
  const Tensor x = context.allocate({2, 5});
  const Tensor codes = context.allocate({2}, DType::i32);
  EXPECT_THROW(nearest_codes(context, x, codebook, codes.ints()), ArgumentError);
  EXPECT_THROW(subtract_entries(context, codebook, codes.ints(), x), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
