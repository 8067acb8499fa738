#include "kernels/scalar_codes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/arithmetic.h"
#include "kernels/error.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

using Ids = std::vector<std::int32_t>;

// Ids under another name: the harness compares bits.
std::vector<float> as_floats(const Ids& ids) {
  std::vector<float> out(ids.size());
  if (!ids.empty()) std::memcpy(out.data(), ids.data(), ids.size() * sizeof(float));
  return out;
}
ConstMatrix as_rows(const std::int32_t* ids, std::int64_t n) { return {reinterpret_cast<const float*>(ids), n, 1}; }

int finite_digit(float x, int levels) {
  const float h = static_cast<float>(levels - 1) * 1.001F / 2;
  const float o = levels % 2 == 0 ? 0.5F : 0.0F;
  const auto s = static_cast<float>(0.5 * std::log((1.0 + o / h) / (1.0 - o / h)));
  const float bounded = scalar::tanh<scalar::Lanes>(x + s) * h;
  const float q = std::nearbyint(bounded - o);
  return std::isnan(x) ? 0 : static_cast<int>(q) + levels / 2;
}

Ids finite_rule(const std::vector<float>& x, std::int64_t rows, std::int64_t step, const std::vector<int>& levels) {
  Ids codes;
  for (std::int64_t r = 0; r < rows; ++r) {
    std::int32_t code = 0;
    std::int32_t weight = 1;
    for (std::size_t c = 0; c < levels.size(); weight *= levels[c++]) {
      code += finite_digit(x[r * step + static_cast<std::int64_t>(c)], levels[c]) * weight;
    }
    codes.push_back(code);
  }
  return codes;
}

Ids sign_rule(const std::vector<float>& x, std::int64_t rows, std::int64_t step, std::int64_t columns, bool low) {
  Ids codes;
  for (std::int64_t r = 0; r < rows; ++r) {
    std::int32_t code = 0;
    for (std::int64_t c = 0; c < columns; ++c) {
      code += x[r * step + c] > 0 ? 1 << (low ? c : columns - 1 - c) : 0;
    }
    codes.push_back(code);
  }
  return codes;
}

void make_odd(std::vector<float>& x) {
  const float odd[] = {0.0F, -0.0F, NAN, INFINITY, -INFINITY, 1e-40F, -1e-40F};
  for (std::size_t i = 0; i < x.size(); i += 5) x[i] = odd[i / 5 % 7];
}

TEST(FiniteScalarCodes, EveryBackendFollowsTheRule) {
  Random random(61);
  for (int i = 0; i < tries(40); ++i) {
    std::vector<int> levels(static_cast<std::size_t>(random.integer(1, 6)));
    for (int& count : levels) count = static_cast<int>(random.integer(2, 9));
    const auto columns = static_cast<std::int64_t>(levels.size());
    const std::int64_t rows = random.extent(3000);
    const std::int64_t step = columns + random.integer(0, 3);
    std::vector<float> x = random.floats(rows * step, 2.0F);
    if (random.coin()) make_odd(x);
    expect_bits(
        "finite_scalar_codes " + to_string({rows, columns}), as_floats(finite_rule(x, rows, step, levels)),
        [&](Probe& p) {
          const ConstMatrix in(p.input(x), rows, columns, step);
          auto scalars = std::make_shared<FiniteScalars>(pack_finite_scalars(p.context(), levels));
          std::int32_t* codes = p.int_output(rows);
          return Prepared{[=, &p] { finite_scalar_codes(p.context(), in, *scalars, codes); }, as_rows(codes, rows)};
        });
  }
}

TEST(SignCodes, EveryBackendFollowsTheRule) {
  Random random(62);
  for (int i = 0; i < tries(40); ++i) {
    const std::int64_t columns = random.integer(1, 20);
    const std::int64_t rows = random.extent(3000);
    const std::int64_t step = columns + random.integer(0, 3);
    const bool low = random.coin();
    std::vector<float> x = random.floats(rows * step);
    if (random.coin()) make_odd(x);
    expect_bits("sign_codes " + to_string({rows, columns}), as_floats(sign_rule(x, rows, step, columns, low)),
                [&](Probe& p) {
                  const ConstMatrix in(p.input(x), rows, columns, step);
                  std::int32_t* codes = p.int_output(rows);
                  return Prepared{[=, &p] { sign_codes(p.context(), in, low, codes); }, as_rows(codes, rows)};
                });
  }
}

// Published for levels 8, 8, 8, 5, 5, 5.
TEST(FiniteScalarCodes, KnownCodes) {
  Context context;
  const FiniteScalars scalars = pack_finite_scalars(context, std::vector<int>{8, 8, 8, 5, 5, 5});
  EXPECT_EQ(scalars.size(), 64000);
  const float least = -std::numeric_limits<float>::infinity();
  const std::vector<float> x = {0,     0,     0,      0,      0,      0,      least,  least,  least, least,
                                least, least, -least, -least, -least, -least, -least, -least, 0.3F,  -0.3F,
                                1,     0.3F,  -0.3F,  1,      0.5F,   0.5F,   0.5F,   0.5F,   0.5F,  0.5F};
  const Tensor codes = context.scratch({5}, DType::i32);
  finite_scalar_codes(context, {x.data(), 5, 6}, scalars, codes.ints());
  EXPECT_EQ(Ids(codes.ints(), codes.ints() + 5), (Ids{32036, 0, 63999, 55709, 47981}));
  const float* middle = scalars.entries.matrix().row(32036);
  const float* last = scalars.entries.matrix().row(63999);
  for (int c = 0; c < 6; ++c) {
    EXPECT_EQ(middle[c], 0.0F);
    EXPECT_EQ(last[c], c < 3 ? 0.75F : 1.0F);
  }
}

// A code's values give the code again.
TEST(SignCodes, EntriesAreTheirCodes) {
  Context context;
  for (const bool low : {false, true}) {
    const Tensor entries = sign_entries(context, 7, low);
    const Tensor codes = context.scratch({128}, DType::i32);
    sign_codes(context, entries, low, codes.ints());
    for (int i = 0; i < 128; ++i) EXPECT_EQ(codes.ints()[i], i);
  }
}

TEST(ScalarCodes, RefuseWhatDoesNotFit) {
  Context context;
  EXPECT_THROW((void)pack_finite_scalars(context, std::vector<int>{}), ArgumentError);
  EXPECT_THROW((void)pack_finite_scalars(context, std::vector<int>{8, 1}), ArgumentError);
  EXPECT_THROW((void)pack_finite_scalars(context, std::vector<int>(7, 9)), ArgumentError);
  EXPECT_THROW((void)sign_entries(context, 21, false), ArgumentError);
  const FiniteScalars scalars = pack_finite_scalars(context, std::vector<int>{3, 3});
  const Tensor x = context.allocate({4, 3});
  const Tensor codes = context.allocate({4}, DType::i32);
  EXPECT_THROW(finite_scalar_codes(context, x, scalars, codes.ints()), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
