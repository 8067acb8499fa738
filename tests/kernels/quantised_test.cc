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
std::vector<float> kept(const float* row, std::int64_t inputs, int bits) {
  std::vector<float> values(row, row + inputs);
  for (std::int64_t k = 0; k < inputs;) {
    const std::int64_t end = std::min({k / 256 * 256 + 256, k + 32, inputs});
    const auto less = [](float a, float b) { return std::fabs(a) < std::fabs(b); };
    const float most = *std::max_element(row + k, row + end, less);
    float scale = float_from_bf16(bf16_from_float(bits == 8 ? std::fabs(most) / 127.0F : most / -8.0F));
    if (std::fabs(scale) >= 0x1p112F) scale = NAN;
    for (; k < end; ++k) {
      const float least = bits == 8 ? -127.0F : -8.0F;
      const float code = scale == 0 ? 0 : std::clamp(std::nearbyint(row[k] / scale), least, bits == 8 ? 127.0F : 7.0F);
      values[static_cast<std::size_t>(k)] = code * scale + 0.0F;
    }
  }
  return values;
}

std::vector<float> rule(const Job& j, int bits, const std::vector<float>& x, const std::vector<float>& w,
                        const std::vector<float>& bias, const std::vector<float>& residual) {
  const std::int64_t inputs = j.runs * j.run_length;
  std::vector<float> out(static_cast<std::size_t>(j.rows * j.outputs));
  for (std::int64_t n = 0; n < j.outputs; ++n) {
    const auto weights = kept(w.data() + n * inputs, inputs, bits);
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
    EXPECT_EQ(packed->bits, bits_of(storage));
    Epilogue e;
    if (j.bias) e.bias = p.input(bias);
    if (j.residual) e.residual = p.input(residual, j.rows, j.outputs);
    const Matrix out = p.output(j.rows, j.outputs, j.outputs + j.rows % 3);
    const double flops = 2.0 * static_cast<double>(j.rows * inputs * j.outputs);
    return Prepared{[=, &p] { product(p.context(), rows, *packed, e, out); }, out, flops};
  };
  const std::string name = std::string(name_of(storage)) + " product " + to_string({j.rows, inputs, j.outputs});
  expect_bits(name, rule(j, bits_of(storage), x, w, bias, residual), prepare, backends_with(storage));
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

float widened(const quantised::Group& group, std::size_t i) {
  return static_cast<float>(group.codes[i]) * float_from_bf16(group.scale);
}

// Half a step away at most, but for the end of the range that 4 bits lack and the rounding of the scale.
TEST(Quantised, CodesAreTheNearest) {
  Random random(2);
  for (const int bits : {8, 4}) {
    const float levels = bits == 8 ? 127.0F : 8.0F;
    for (int i = 0; i < 200; ++i) {
      const auto w = random.floats(quantised::kGroup, 3.0F);
      const quantised::Group group = quantised::quantise(w.data(), quantised::kGroup, bits);
      float most = 0;
      for (const float v : w) most = std::max(most, std::fabs(v));
      for (std::size_t k = 0; k < w.size(); ++k) {
        const float end = bits == 4 && std::fabs(w[k]) > 7.5F / 8 * most ? 1.0F : 0.5F;
        EXPECT_NEAR(widened(group, k), w[k], most / levels * end + most / 256) << bits << " " << k;
      }
    }
  }
}

TEST(Quantised, TheExtremeOfFourBitsHasTheLowestCode) {
  const std::array<float, 4> w{0.5F, 4.0F, -4.0F, 3.5F};
  const quantised::Group group = quantised::quantise(w.data(), 4, 4);
  EXPECT_EQ(float_from_bf16(group.scale), -0.5F);
  EXPECT_EQ(std::vector<int>(group.codes, group.codes + 4), (std::vector<int>{-1, -8, 7, -7}));
}

TEST(Quantised, ZerosStayZeroAndNoNumberIsHidden) {
  const std::array<float, 2> zeros{};
  EXPECT_EQ(widened(quantised::quantise(zeros.data(), 2, 4), 1), 0.0F);
  for (const float bad : {NAN, INFINITY}) {
    const std::array<float, 2> w{1.0F, bad};
    for (const int bits : {8, 4}) {
      const quantised::Group group = quantised::quantise(w.data(), 2, bits);
      EXPECT_TRUE(std::isnan(widened(group, 0)) && std::isnan(widened(group, 1)));
    }
  }
}

// Kernels multiply scales by numbers above 2^15.
TEST(Quantised, ScalesBeyondTheRangeAreNoNumbers) {
  for (const int bits : {8, 4}) {
    const float levels = bits == 8 ? 127.0F : 8.0F;
    const auto scale = [&](float wanted) {
      const std::array<float, 2> w{1.0F, -wanted * levels};
      return float_from_bf16(quantised::quantise(w.data(), 2, bits).scale);
    };
    EXPECT_EQ(scale(0x1.fep111F), 0x1.fep111F) << bits;
    EXPECT_TRUE(std::isnan(scale(0x1p112F))) << bits;
  }
}

// What decides directly stays as stored.
TEST(Quantised, OnlyLayersOfNetworks) {
  ContextOptions options;
  options.weights = WeightStorage::int4;
  Context context(options);
  const std::vector<float> w(64 * 64, 1.0F);
  EXPECT_EQ(pack_weights(context, {w.data(), 64, 64}).bits, 0);
  const PackedWeights packed = pack_weights(context, {w.data(), 64, 64}, {DType::bf16, Math::fast});
  EXPECT_EQ(packed.bits, 4);
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
