#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "kernels/bfloat.h"
#include "kernels/error.h"
#include "kernels/product.h"
#include "kernels/quantised.h"
#include "tests/kernels/harness.h"
#include "tests/kernels/rules.h"
#include "tests/sanitized.h"

namespace tessera::harness {
namespace {

float flushed(float x) { return std::fabs(x) < FLT_MIN ? std::copysign(0.0F, x) : x; }
float rounded(float x) { return float_from_bf16(bf16_from_float(flushed(x))); }
float fma_flushed(float a, float b, float c) { return flushed(std::fma(a, b, c)); }

// VDPBF16PS over pairs, straight from kernels/bfloat.h.
template <class X, class W>
float by_pairs(std::int64_t inputs, const X& x, const W& w) {
  float total = 0.0F;
  for (std::int64_t k = 0; k < bfloat::padded(inputs); k += 2) {
    total = fma_flushed(x(k + 1), w(k + 1), total);
    total = fma_flushed(x(k), w(k), total);
  }
  return total;
}

// TDPBF16PS over steps of 32 inputs.
template <class X, class W>
float by_tiles(std::int64_t inputs, const X& x, const W& w) {
  float total = 0.0F;
  for (std::int64_t k = 0; k < inputs; k += 32) {
    float even = 0.0F;
    float odd = 0.0F;
    for (std::int64_t i = k; i < k + 32; i += 2) {
      even = fma_flushed(x(i), w(i), even);
      odd = fma_flushed(x(i + 1), w(i + 1), odd);
    }
    total = flushed(total + flushed(even + odd));
  }
  return total;
}

struct Job {
  std::int64_t rows, runs, run_length, run_step, step, outputs;
  bool bias, residual;
  float scale;  // of all operands: small ones give denormal products
};

bool is_amx(BfloatUnit unit) { return unit == BfloatUnit::amx || unit == BfloatUnit::emulated_amx; }

std::vector<float> fast_rule(const Job& j, BfloatUnit unit, const std::vector<float>& x, const std::vector<float>& w,
                             const std::vector<float>& bias, const std::vector<float>& residual) {
  const std::int64_t inputs = j.runs * j.run_length;
  std::vector<float> out;
  for (std::int64_t i = 0; i < j.rows * j.outputs; ++i) {
    const std::int64_t r = i / j.outputs;
    const std::int64_t n = i % j.outputs;
    const auto input = [&](std::int64_t k) {
      return k < inputs ? rounded(x[r * j.step + k / j.run_length * j.run_step + k % j.run_length]) : 0.0F;
    };
    const auto weight = [&](std::int64_t k) { return k < inputs ? rounded(w[n * inputs + k]) : 0.0F; };
    float y = is_amx(unit) ? by_tiles(inputs, input, weight) : by_pairs(inputs, input, weight);
    if (j.bias) y = y + bias[n];
    out.push_back(j.residual ? residual[i] + y : y);
  }
  return out;
}

std::vector<Backend> backends_with(BfloatUnit unit) {
  std::vector<Backend> found;
  for (Backend backend : backends()) {
    if (backend.options.device.is_cuda()) continue;
    backend.name += std::string(" ") + name_of(unit);
    backend.options.math = Math::fast;
    backend.options.unit = unit;
    found.push_back(backend);
  }
  return found;
}

void check(const Job& j, BfloatUnit unit, Random& random) {
  const std::int64_t inputs = j.runs * j.run_length;
  const auto x = random.floats((j.rows - 1) * j.step + (j.runs - 1) * j.run_step + j.run_length, j.scale);
  const auto w = random.floats(inputs * j.outputs, j.scale);
  const auto bias = random.floats(j.outputs);
  const auto residual = random.floats(j.rows * j.outputs);
  const auto prepare = [&](Probe& p) {
    Rows rows;
    rows.data = p.input(x);
    rows.count = j.rows;
    rows.step = j.step;
    rows.run_length = j.run_length;
    rows.runs = j.runs;
    rows.run_step = j.run_step;
    const ConstMatrix weight{w.data(), j.outputs, inputs};
    auto packed = std::make_shared<PackedWeights>(pack_weights(p.context(), weight, {DType::f32, Math::fast}));
    EXPECT_TRUE(packed->fast);
    Epilogue e;
    if (j.bias) e.bias = p.input(bias);
    if (j.residual) e.residual = p.input(residual, j.rows, j.outputs);
    const Matrix out = p.output(j.rows, j.outputs, j.outputs + j.rows % 3);
    const double flops = 2.0 * static_cast<double>(j.rows * inputs * j.outputs);
    return Prepared{[=, &p] { product(p.context(), rows, *packed, e, out); }, out, flops};
  };
  const std::string name = "fast product " + to_string({j.rows, inputs, j.outputs});
  expect_bits(name, fast_rule(j, unit, x, w, bias, residual), prepare, backends_with(unit));
}

void check_shapes(BfloatUnit unit) {
  Random random(1);
  for (int i = 0; i < tries(24); ++i) {
    Job j{};
    j.rows = random.extent(70, false);
    j.runs = random.coin() ? 1 : random.integer(1, 4);
    j.run_length = std::max<std::int64_t>(random.extent(i % 8 == 0 ? 1100 : 120, false), bfloat::kStep);
    j.run_step = j.runs == 1 ? 0 : random.integer(1, 2 * j.run_length);
    j.step = random.integer(1, 2 * j.run_length);
    j.outputs = std::max<std::int64_t>(random.extent(140), 16);
    j.bias = random.coin();
    j.residual = random.coin();
    j.scale = i % 6 == 0 ? 2e-20F : 1.0F;
    check(j, unit, random);
  }
  const std::int64_t rows = kSanitized ? 20 : 150;
  check({rows, 1, 544, 0, 544, 600, true, true, 1.0F}, unit, random);  // several tiles each way
}

TEST(FastProduct, EmulatedAmxFollowsTheRule) { check_shapes(BfloatUnit::emulated_amx); }

TEST(FastProduct, EmulatedAvx512Bf16FollowsTheRule) { check_shapes(BfloatUnit::emulated_avx512_bf16); }

// Of quantised weights: a sum of codes for each group, times its scale. Behind the last input nothing is added.
std::vector<float> coded_rule(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, BfloatUnit unit,
                              WeightCodes codes, const std::vector<float>& x, const std::vector<float>& w) {
  std::vector<float> out(static_cast<std::size_t>(rows * outputs));
  for (std::int64_t i = 0; i < rows * outputs; ++i) {
    const float* row = x.data() + i / outputs * inputs;
    const float* weights = w.data() + i % outputs * inputs;
    for (std::int64_t k = 0; k < inputs; k += 32) {
      const std::int64_t count = std::min<std::int64_t>(32, inputs - k);
      const quantised::Group group = quantised::quantise(weights + k, count, codes);
      const auto code = [&](std::int64_t n) { return n < count ? static_cast<float>(group.codes[n]) : -1.0F; };
      const auto input = [&](std::int64_t n) { return n < count ? rounded(row[k + n]) : 0.0F; };
      const float sum = is_amx(unit) ? by_tiles(count, input, code) : by_pairs(count, input, code);
      out[i] = std::fma(sum, float_from_bf16(group.scale), out[i]);
    }
  }
  return out;
}

std::vector<Backend> backends_with(BfloatUnit unit, WeightStorage storage) {
  std::vector<Backend> found = backends_with(unit);
  for (Backend& backend : found) {
    backend.name += std::string(" ") + name_of(storage);
    backend.options.weights = storage;
  }
  return found;
}

struct Coded {
  std::int64_t rows, inputs, outputs;
  WeightStorage storage;
};

void check_coded(const Coded& c, BfloatUnit unit, Random& random, float size = 1.0F) {
  const auto x = random.floats(c.rows * c.inputs, size);
  const auto w = random.floats(c.inputs * c.outputs, size);
  const auto expected = coded_rule(c.rows, c.inputs, c.outputs, unit, quantised::codes_of(c.storage), x, w);
  const auto prepare = [&](Probe& p) {
    const ConstMatrix rows = p.input(x, c.rows, c.inputs);
    const ConstMatrix weight{w.data(), c.outputs, c.inputs};
    auto packed = std::make_shared<PackedWeights>(pack_weights(p.context(), weight, {DType::f32, Math::fast}));
    EXPECT_TRUE(packed->fast);
    EXPECT_EQ(packed->codes, quantised::codes_of(c.storage));
    const Matrix out = p.output(c.rows, c.outputs, c.outputs + 1);
    const double flops = 2.0 * static_cast<double>(c.rows * c.inputs * c.outputs);
    return Prepared{[=, &p] { product(p.context(), rows, *packed, {}, out); }, out, flops};
  };
  const std::string name = "fast quantised product " + to_string({c.rows, c.inputs, c.outputs});
  expect_bits(name, expected, prepare, backends_with(unit, c.storage));
}

void check_coded_shapes(BfloatUnit unit) {
  Random random(6);
  for (const WeightStorage storage : {WeightStorage::int8, WeightStorage::int4}) {
    for (int i = 0; i < tries(24); ++i) {
      const std::int64_t rows = i % 2 == 0 ? random.integer(1, 8) : random.extent(70, false);
      const std::int64_t inputs = std::max<std::int64_t>(random.extent(i % 4 == 0 ? 700 : 120, false), bfloat::kStep);
      check_coded({rows, inputs, std::max<std::int64_t>(random.extent(140), 16), storage}, unit, random,
                  i % 6 == 5 ? 1e-20F : 1.0F);
    }
    const std::int64_t rows = kSanitized ? 20 : 150;
    check_coded({rows, 544, 600, storage}, unit, random);  // several tiles each way
    check_coded({2, 288, 4200, storage}, unit, random);    // several of few rows
  }
}

TEST(FastProduct, EmulatedAmxFollowsTheRuleOfCodes) { check_coded_shapes(BfloatUnit::emulated_amx); }

TEST(FastProduct, EmulatedAvx512Bf16FollowsTheRuleOfCodes) { check_coded_shapes(BfloatUnit::emulated_avx512_bf16); }

std::vector<float> run_rows(Context& context, const PackedWeights& weights, ConstMatrix x) {
  const Tensor out = context.scratch({x.rows, weights.outputs});
  product(context, x, weights, {}, out);
  return {out.data(), out.data() + out.size()};
}

// A unit may add the products of one instruction in an order that its maker does not publish. Then every sum is within
// the rounding of any order of the rule's, and a row has the same bits alone, in company and on any thread.
void check_real(BfloatUnit unit, std::int64_t rows, std::int64_t inputs, std::int64_t outputs) {
  Random random(3);
  const auto x = random.floats(rows * inputs);
  const auto w = random.floats(inputs * outputs);
  const Job job{rows, 1, inputs, 0, inputs, outputs, false, false, 1.0F};
  const auto expected = fast_rule(job, unit, x, w, {}, {});
  Context context({Device{}, 3, {}, Math::fast, unit});
  const PackedWeights weights = pack_weights(context, {w.data(), outputs, inputs}, {DType::f32, Math::fast});
  const auto together = run_rows(context, weights, {x.data(), rows, inputs});
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto alone = run_rows(context, weights, {x.data() + r * inputs, 1, inputs});
    for (std::int64_t n = 0; n < outputs; ++n) {
      const std::int64_t i = r * outputs + n;
      float magnitude = 0;
      for (std::int64_t k = 0; k < inputs; ++k) magnitude += std::fabs(x[r * inputs + k] * w[n * inputs + k]);
      EXPECT_NEAR(together[i], expected[i], magnitude * static_cast<float>(inputs) * FLT_EPSILON);
      EXPECT_EQ(together[i], alone[n]);
    }
  }
}

TEST(FastProduct, RealUnitsFollowTheRuleUpToTheOrderOfSums) {
  std::vector<BfloatUnit> units = native_bfloat_units();
  units.push_back(BfloatUnit::emulated_amx);
  for (const BfloatUnit unit : units) {
    for (const std::int64_t inputs : {32, 45, 700}) check_real(unit, kSanitized ? 5 : 37, inputs, 100);
  }
}

void check_real_codes(BfloatUnit unit, const Coded& c) {
  Random random(7);
  const auto x = random.floats(c.rows * c.inputs);
  const auto w = random.floats(c.inputs * c.outputs);
  const auto expected = coded_rule(c.rows, c.inputs, c.outputs, unit, quantised::codes_of(c.storage), x, w);
  Context context({Device{}, 3, {}, Math::fast, unit, c.storage});
  const PackedWeights weights = pack_weights(context, {w.data(), c.outputs, c.inputs}, {DType::f32, Math::fast});
  const auto together = run_rows(context, weights, {x.data(), c.rows, c.inputs});
  for (std::int64_t count = 1; count <= 8; ++count) {
    const auto few = run_rows(context, weights, {x.data() + count * c.inputs, count, c.inputs});
    EXPECT_TRUE(std::equal(few.begin(), few.end(), together.begin() + count * c.outputs)) << count;
  }
  for (std::int64_t i = 0; i < c.rows * c.outputs; ++i) {
    float magnitude = 0;
    for (std::int64_t k = 0; k < c.inputs; ++k) {
      magnitude += std::fabs(x[i / c.outputs * c.inputs + k] * w[i % c.outputs * c.inputs + k]);
    }
    EXPECT_NEAR(together[i], expected[i], magnitude * static_cast<float>(c.inputs) * FLT_EPSILON);
  }
}

TEST(FastProduct, RealUnitsFollowTheRuleOfCodesUpToTheOrderOfSums) {
  std::vector<BfloatUnit> units = native_bfloat_units();
  units.push_back(BfloatUnit::emulated_amx);
  for (const BfloatUnit unit : units) {
    for (const WeightStorage storage : {WeightStorage::int8, WeightStorage::int4}) {
      for (const std::int64_t inputs : {32, 45, 700})
        check_real_codes(unit, {kSanitized ? 17 : 37, inputs, 100, storage});
    }
  }
}

TEST(FastProduct, RoundsOperandsToNearestEven) {
  for (const auto& [x, bits] : {std::pair{1.0F, 0x3f80},
                                {0x1.01p0F, 0x3f80},
                                {0x1.03p0F, 0x3f82},
                                {0x1.010002p0F, 0x3f81},
                                {-1e-39F, 0x8000},
                                {FLT_MAX, 0x7f80},
                                {-INFINITY, 0xff80}}) {
    EXPECT_EQ(bfloat::round(x), bits) << x;
  }
  EXPECT_TRUE(std::isnan(float_from_bf16(bfloat::round(NAN))));
}

// What is too small, or not asked for, keeps its exact bits; and a context without the unit refuses fast weights.
TEST(FastProduct, OnlyWhereAskedForAndWorthIt) {
  ContextOptions options;
  options.math = Math::fast;
  options.unit = BfloatUnit::emulated_amx;
  Context fast(options);
  Context exact;
  EXPECT_EQ(fast.math(), Math::fast);
  EXPECT_EQ(exact.math(), Math::exact);
  const std::vector<float> w(64 * 64, 1.0F);
  const auto packed_fast = [&](Context& context, std::int64_t inputs, std::int64_t outputs, Math math) {
    return pack_weights(context, {w.data(), outputs, inputs}, {DType::f32, math}).fast;
  };
  EXPECT_TRUE(packed_fast(fast, 32, 16, Math::fast));
  EXPECT_FALSE(packed_fast(fast, 31, 16, Math::fast));
  EXPECT_FALSE(packed_fast(fast, 32, 15, Math::fast));
  EXPECT_FALSE(packed_fast(fast, 64, 64, Math::exact));
  EXPECT_FALSE(packed_fast(exact, 64, 64, Math::fast));
  const PackedWeights weights = pack_weights(fast, {w.data(), 64, 64}, {DType::f32, Math::fast});
  const Tensor x = exact.scratch({2, 64});
  const Tensor out = exact.scratch({2, 64});
  EXPECT_THROW(product(exact, ConstMatrix(x), weights, {}, out), ArgumentError);
}

TEST(FastProduct, UnitsAreNamed) {
  for (const BfloatUnit unit :
       {BfloatUnit::amx, BfloatUnit::avx512_bf16, BfloatUnit::emulated_amx, BfloatUnit::emulated_avx512_bf16}) {
    EXPECT_EQ(bfloat_unit_from_name(name_of(unit)), unit);
    const auto& native = native_bfloat_units();
    if (is_emulated(unit) || std::find(native.begin(), native.end(), unit) != native.end()) continue;
    ContextOptions options;
    options.math = Math::fast;
    options.unit = unit;
    EXPECT_THROW(Context{options}, ArgumentError) << name_of(unit);
  }
  EXPECT_EQ(bfloat_unit_from_name("none"), std::nullopt);
  EXPECT_THROW((void)bfloat_unit_from_name("bf16"), ArgumentError);
}

TEST(FastProduct, Speed) {
  if (!benchmarking()) return;
  Random random(3);
  std::vector<BfloatUnit> units = native_bfloat_units();
  if (units.empty()) units = {BfloatUnit::emulated_amx, BfloatUnit::emulated_avx512_bf16};
  for (const BfloatUnit unit : units) {
    check({512, 1, 512, 0, 512, 512, false, false, 1.0F}, unit, random);
    check({1, 1, 4096, 0, 4096, 4096, false, false, 1.0F}, unit, random);
    for (const std::int64_t rows : {1, 8, 512}) check_coded({rows, 1024, 4096, WeightStorage::int4}, unit, random);
  }
}

}  // namespace
}  // namespace tessera::harness
