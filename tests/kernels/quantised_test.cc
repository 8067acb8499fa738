#include "kernels/quantised.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/narrow.h"
#include "tests/kernels/harness.h"
#include "tests/kernels/rules.h"

namespace tessera::harness {
namespace {

struct Job {
  std::int64_t rows, runs, run_length, outputs;
  bool bias, residual;
  float size = 1.0F;  ///< of the weights
};

// The weights that a row keeps, straight from kernels/quantised.h.
std::vector<float> kept(const float* row, std::int64_t inputs, WeightCodes codes) {
  std::vector<float> values(row, row + inputs);
  for (std::int64_t k = 0; k < inputs;) {
    const std::int64_t end = std::min({k / 256 * 256 + 256, k + 32, inputs});
    const auto less = [](float a, float b) { return std::fabs(a) < std::fabs(b); };
    const float most = *std::max_element(row + k, row + end, less);
    float scale =
        float_from_bf16(bf16_from_float(codes == WeightCodes::int8 ? std::fabs(most) / 127.0F : most / -8.0F));
    if (std::fabs(scale) >= 0x1p112F) scale = NAN;
    for (; k < end; ++k) {
      const float least = codes == WeightCodes::int8 ? -127.0F : -8.0F;
      const float code =
          scale == 0 ? 0
                     : std::clamp(std::nearbyint(row[k] / scale), least, codes == WeightCodes::int8 ? 127.0F : 7.0F);
      values[static_cast<std::size_t>(k)] = code * scale + 0.0F;
    }
  }
  return values;
}

std::vector<float> rule(const Job& j, WeightCodes codes, const std::vector<float>& x, const std::vector<float>& w,
                        const std::vector<float>& bias, const std::vector<float>& residual) {
  const std::int64_t inputs = j.runs * j.run_length;
  std::vector<float> out(static_cast<std::size_t>(j.rows * j.outputs));
  for (std::int64_t n = 0; n < j.outputs; ++n) {
    const auto weights = kept(w.data() + n * inputs, inputs, codes);
    for (std::int64_t r = 0; r < j.rows; ++r) {
      const auto input = [&](std::int64_t k) {
        return x[r * inputs + k % j.run_length + k / j.run_length * j.run_length];
      };
      float y = dot(inputs, input, [&](std::int64_t k) { return weights[k]; });
      if (j.bias) y = y + bias[n];
      out[r * j.outputs + n] = j.residual ? residual[r * j.outputs + n] + y : y;
    }
  }
  return out;
}

std::vector<Backend> backends_with(WeightStorage storage) {
  std::vector<Backend> found = backends();
  for (Backend& backend : found) {
    backend.name += std::string(" ") + name_of(storage);
    backend.options.weights = storage;
  }
  return found;
}

void check(const Job& j, WeightStorage storage, Random& random) {
  const std::int64_t inputs = j.runs * j.run_length;
  const auto x = random.floats(j.rows * inputs);
  const auto w = random.floats(inputs * j.outputs, j.size);
  const auto bias = random.floats(j.outputs);
  const auto residual = random.floats(j.rows * j.outputs);
  const auto prepare = [&](Probe& p) {
    Rows rows;
    rows.data = p.input(x);
    rows.count = j.rows;
    rows.step = inputs;
    rows.run_length = j.run_length;
    rows.runs = j.runs;
    rows.run_step = j.run_length;
    const ConstMatrix weight{w.data(), j.outputs, inputs};
    auto packed = std::make_shared<PackedWeights>(pack_weights(p.context(), weight, {DType::f32, Math::fast}));
    EXPECT_EQ(packed->codes, quantised::codes_of(storage));
    Epilogue e;
    if (j.bias) e.bias = p.input(bias);
    if (j.residual) e.residual = p.input(residual, j.rows, j.outputs);
    const Matrix out = p.output(j.rows, j.outputs, j.outputs + j.rows % 3);
    const double flops = 2.0 * static_cast<double>(j.rows * inputs * j.outputs);
    return Prepared{[=, &p] { product(p.context(), rows, *packed, e, out); }, out, flops};
  };
  const std::string name = std::string(name_of(storage)) + " product " + to_string({j.rows, inputs, j.outputs});
  expect_bits(name, rule(j, quantised::codes_of(storage), x, w, bias, residual), prepare, backends_with(storage));
}

void check_shapes(WeightStorage storage) {
  Random random(1);
  for (int i = 0; i < tries(40); ++i) {
    Job j{};
    j.rows = random.extent(20, false);
    j.runs = i % 4 == 0 ? random.integer(2, 4) : 1;
    j.run_length = random.extent(i % 5 == 0 ? 700 : 90, false);
    j.outputs = random.extent(140, false);
    j.bias = random.coin();
    j.residual = random.coin();
    check(j, storage, random);
  }
  check({1, 1, 1100, 600, true, false}, storage, random);
  check({2, 1, 0, 100, true, true}, storage, random);
  // Scales below the normal numbers, and some of 4 bits at the end of their range and beyond.
  for (const float size : {0x1p-130F, 0x1.2p113F}) check({1, 1, 70, 70, false, false, size}, storage, random);
  check({200, 1, 300, 400, false, true}, storage, random);
}

TEST(Quantised, Int8FollowsTheRule) { check_shapes(WeightStorage::int8); }

TEST(Quantised, Int4FollowsTheRule) { check_shapes(WeightStorage::int4); }

struct Fp8 {
  std::int64_t rows, inputs, outputs;
  ScaleBlocks blocks;  // without data
  WeightCodes kept;
};

// Codes of numbers, and what they are worth.
void check_fp8(const Fp8& c, Random& random, float size = 0.1F) {
  ScaleBlocks blocks = c.blocks;
  blocks.across = (c.inputs + blocks.columns - 1) / blocks.columns;
  const auto scales = random.floats((c.outputs + blocks.rows - 1) / blocks.rows * blocks.across, size);
  blocks.data = scales.data();
  std::vector<std::byte> codes;
  std::vector<float> weights;
  for (std::int64_t i = 0; i < c.outputs * c.inputs; ++i) {
    const auto code = static_cast<std::uint8_t>(random.integer(0, 126) + 128 * random.integer(0, 1));
    codes.push_back(std::byte{code});
    const std::int64_t block = i / c.inputs / blocks.rows * blocks.across + i % c.inputs / blocks.columns;
    weights.push_back(float_from_e4m3(code) * scales[block]);
  }
  const auto x = random.floats(c.rows * c.inputs);
  std::vector<float> expected;
  for (std::int64_t i = 0; i < c.rows * c.outputs; ++i) {
    const float* row = x.data() + i / c.outputs * c.inputs;
    const float* w = weights.data() + i % c.outputs * c.inputs;
    expected.push_back(dot(
        c.inputs, [&](std::int64_t k) { return row[k]; }, [&](std::int64_t k) { return w[k]; }));
  }
  expect_bits("fp8 product " + to_string({c.rows, c.inputs, c.outputs}), expected, [&](Probe& p) {
    const WeightSource source({{codes.data(), DType::f32, c.outputs, blocks}}, c.inputs);
    const auto packed = std::make_shared<PackedWeights>(pack_weights(p.context(), source, {DType::f32, Math::fast}));
    EXPECT_EQ(packed->codes, c.kept);
    const ConstMatrix rows = p.input(x, c.rows, c.inputs);
    const Matrix out = p.output(c.rows, c.outputs, c.outputs + 1);
    return Prepared{[=, &p] { product(p.context(), rows, *packed, {}, out); }, out};
  });
}

TEST(Quantised, Fp8FollowsTheRule) {
  Random random(4);
  for (int i = 0; i < tries(30); ++i) {
    const ScaleBlocks blocks{nullptr, random.integer(1, 40), 32 * random.integer(1, 5), 0};
    check_fp8({random.extent(20, false), random.extent(i % 5 == 0 ? 700 : 90, false), random.extent(140, false), blocks,
               WeightCodes::e4m3},
              random);
  }
  const ScaleBlocks usual{nullptr, 128, 128, 0};
  check_fp8({200, 300, 400, usual, WeightCodes::e4m3}, random);
  // Weights below the normal numbers; then scales and blocks that codes are not kept with.
  check_fp8({2, 70, 70, usual, WeightCodes::e4m3}, random, 0x1p-130F);
  check_fp8({2, 70, 70, {nullptr, 1, 128, 0}, WeightCodes::none}, random, 0x1p20F);
  check_fp8({2, 70, 70, {nullptr, 8, 24, 0}, WeightCodes::none}, random);
}

TEST(Quantised, Fp8OfNoNumberStaysOne) {
  Context context;
  std::vector<std::byte> codes(64, std::byte{0x38});  // 1
  codes[40] = std::byte{0xff};
  const float scale = 2;
  const WeightSource source({{codes.data(), DType::f32, 2, {&scale, 128, 128, 1}}}, 32);
  const PackedWeights packed = pack_weights(context, source);
  EXPECT_EQ(packed.codes, WeightCodes::none);
  const std::vector<float> x(32, 1.0F);
  const Tensor out = context.allocate({1, 2});
  product(context, ConstMatrix{x.data(), 1, 32}, packed, {}, out);
  EXPECT_EQ(out.data()[0], 64.0F);
  EXPECT_TRUE(std::isnan(out.data()[1]));
}

float widened(const quantised::Group& group, std::size_t i) {
  return static_cast<float>(group.codes[i]) * float_from_bf16(group.scale);
}

// Half a step away at most, but for the end of the range that 4 bits lack and the rounding of the scale.
TEST(Quantised, CodesAreTheNearest) {
  Random random(2);
  for (const WeightCodes codes : {WeightCodes::int8, WeightCodes::int4}) {
    const float levels = codes == WeightCodes::int8 ? 127.0F : 8.0F;
    for (int i = 0; i < 200; ++i) {
      const auto w = random.floats(quantised::kGroup, 3.0F);
      const quantised::Group group = quantised::quantise(w.data(), quantised::kGroup, codes);
      float most = 0;
      for (const float v : w) most = std::max(most, std::fabs(v));
      for (std::size_t k = 0; k < w.size(); ++k) {
        const float end = codes == WeightCodes::int4 && std::fabs(w[k]) > 7.5F / 8 * most ? 1.0F : 0.5F;
        EXPECT_NEAR(widened(group, k), w[k], most / levels * end + most / 256) << static_cast<int>(codes) << " " << k;
      }
    }
  }
}

TEST(Quantised, TheExtremeOfFourBitsHasTheLowestCode) {
  const std::array<float, 4> w{0.5F, 4.0F, -4.0F, 3.5F};
  const quantised::Group group = quantised::quantise(w.data(), 4, WeightCodes::int4);
  EXPECT_EQ(float_from_bf16(group.scale), -0.5F);
  EXPECT_EQ(std::vector<int>(group.codes, group.codes + 4), (std::vector<int>{-1, -8, 7, -7}));
}

TEST(Quantised, ZerosStayZeroAndNoNumberIsHidden) {
  const std::array<float, 2> zeros{};
  EXPECT_EQ(widened(quantised::quantise(zeros.data(), 2, WeightCodes::int4), 1), 0.0F);
  for (const float bad : {NAN, INFINITY}) {
    const std::array<float, 2> w{1.0F, bad};
    for (const WeightCodes codes : {WeightCodes::int8, WeightCodes::int4}) {
      const quantised::Group group = quantised::quantise(w.data(), 2, codes);
      EXPECT_TRUE(std::isnan(widened(group, 0)) && std::isnan(widened(group, 1)));
    }
  }
}

// Kernels multiply scales by numbers above 2^15.
TEST(Quantised, ScalesBeyondTheRangeAreNoNumbers) {
  for (const WeightCodes codes : {WeightCodes::int8, WeightCodes::int4}) {
    const float levels = codes == WeightCodes::int8 ? 127.0F : 8.0F;
    const auto scale = [&](float wanted) {
      const std::array<float, 2> w{1.0F, -wanted * levels};
      return float_from_bf16(quantised::quantise(w.data(), 2, codes).scale);
    };
    EXPECT_EQ(scale(0x1.fep111F), 0x1.fep111F) << static_cast<int>(codes);
    EXPECT_TRUE(std::isnan(scale(0x1p112F))) << static_cast<int>(codes);
  }
}

// What decides directly stays as stored.
TEST(Quantised, OnlyLayersOfNetworks) {
  ContextOptions options;
  options.weights = WeightStorage::int4;
  Context context(options);
  const std::vector<float> w(64 * 64, 1.0F);
  EXPECT_EQ(pack_weights(context, {w.data(), 64, 64}).codes, WeightCodes::none);
  const PackedWeights packed = pack_weights(context, {w.data(), 64, 64}, {DType::bf16, Math::fast});
  EXPECT_EQ(packed.codes, WeightCodes::int4);
  EXPECT_EQ(packed.panels.size() * 4, 64 * 64 / 2 + 64 * 64 / 32 * 2 + quantised::kPadding);
}

TEST(Quantised, Speed) {
  if (!benchmarking()) return;
  Random random(3);
  for (const WeightStorage storage : {WeightStorage::int8, WeightStorage::int4}) {
    for (const std::int64_t rows : {1, 2, 8, 512}) check({rows, 1, 2048, 4096, false, false}, storage, random);
  }
}

}  // namespace
}  // namespace tessera::harness
