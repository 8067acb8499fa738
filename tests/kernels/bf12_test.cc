#include "kernels/bf12.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/expert_product.h"
#include "kernels/narrow.h"
#include "kernels/quantised.h"
#include "tests/kernels/harness.h"
#include "tests/kernels/rules.h"

namespace tessera::harness {
namespace {

// Normal enough, as bfloat16 numbers without zeros.
std::vector<float> some_weights(std::int64_t count, Random& random) {
  auto values = random.floats(count);
  const auto more = random.floats(count);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = float_from_bf16(bf16_from_float(values[i] + more[i]));
    if (values[i] == 0) values[i] = 0.5F;
  }
  return values;
}

// Numbers that no sixteen exponents hold beside the others.
constexpr float kFar[] = {0.0F, -0.0F, 0x1p-133F, -0x1.8p-100F, 0x1.fep100F};

void scatter(std::vector<float>& weights, double share, Random& random) {
  const auto one_in = static_cast<std::int64_t>(1 / share);
  for (float& w : weights) {
    if (random.integer(1, one_in) == 1) w = kFar[random.integer(0, 4)];
  }
}

struct Job {
  std::int64_t rows, inputs, outputs;
};

void check(const Job& j, const std::vector<float>& w, WeightCodes kept, Random& random) {
  const auto x = random.floats(j.rows * j.inputs);
  std::vector<float> expected;
  for (std::int64_t i = 0; i < j.rows * j.outputs; ++i) {
    const float* row = x.data() + i / j.outputs * j.inputs;
    const float* weights = w.data() + i % j.outputs * j.inputs;
    expected.push_back(dot(
        j.inputs, [&](std::int64_t k) { return row[k]; }, [&](std::int64_t k) { return weights[k]; }));
  }
  expect_bits("bf16 product " + to_string({j.rows, j.inputs, j.outputs}), expected, [&](Probe& p) {
    const ConstMatrix weight{w.data(), j.outputs, j.inputs};
    auto narrow = bf12::pack(p.context(), WeightSource(weight));
    EXPECT_EQ(narrow.has_value(), kept == WeightCodes::bf12);
    const auto packed =
        std::make_shared<PackedWeights>(narrow ? std::move(*narrow) : pack_weights(p.context(), weight, DType::bf16));
    EXPECT_EQ(packed->codes, kept);
    const ConstMatrix rows = p.input(x, j.rows, j.inputs);
    const Matrix out = p.output(j.rows, j.outputs, j.outputs + 1);
    const double flops = 2.0 * static_cast<double>(j.rows * j.inputs * j.outputs);
    return Prepared{[=, &p] { product(p.context(), rows, *packed, {}, out); }, out, flops};
  });
}

TEST(Bf12, ProductsFollowTheRule) {
  Random random(81);
  for (int i = 0; i < tries(40); ++i) {
    const Job j{random.extent(20, false), random.integer(200, i % 4 == 0 ? 700 : 250), random.integer(10, 140)};
    check(j, some_weights(j.inputs * j.outputs, random), WeightCodes::bf12, random);
  }
}

TEST(Bf12, OctetsWithOtherExponentsStayAsTheyAre) {
  Random random(82);
  for (int i = 0; i < tries(40); ++i) {
    const Job j{random.extent(20, false), random.integer(256, 700), random.integer(50, 140)};
    auto w = some_weights(j.inputs * j.outputs, random);
    scatter(w, 1e-4, random);
    check(j, w, WeightCodes::bf12, random);
  }
}

TEST(Bf12, ManyOtherExponentsKeepSixteenBits) {
  Random random(83);
  for (int i = 0; i < tries(40); ++i) {
    const Job j{random.extent(20, false), random.integer(20, i % 4 == 0 ? 700 : 90), random.extent(140, false)};
    auto w = some_weights(j.inputs * j.outputs, random);
    scatter(w, 0.1, random);
    check(j, w, WeightCodes::none, random);
  }
}

TEST(Bf12, ZerosAndDenormalsAloneAreInReach) {
  Random random(84);
  std::vector<float> w(std::size_t{300} * 40);
  check({3, 300, 40}, w, WeightCodes::bf12, random);
  for (float& value : w) value = float_from_bf16(static_cast<std::uint16_t>(random.integer(0, 0x7ff)));
  check({3, 300, 40}, w, WeightCodes::bf12, random);
}

TEST(Bf12, InfinitiesAndNanStay) {
  Random random(85);
  auto w = some_weights(300 * 40, random);
  w[17] = INFINITY;
  w[4000] = -INFINITY;
  w[9000] = NAN;
  check({2, 300, 40}, w, WeightCodes::bf12, random);
}

TEST(Bf12, ExpertsAreReadByIndex) {
  Random random(86);
  constexpr std::int64_t kInputs = 300;
  constexpr std::int64_t kOutputs = 50;
  std::vector<std::vector<float>> weights;
  for (int e = 0; e < 3; ++e) weights.push_back(some_weights(kInputs * kOutputs, random));
  scatter(weights[1], 1e-3, random);
  const auto x = random.floats(2 * kInputs);
  const std::vector<std::int32_t> ids{2, 1, 0, 1};
  std::vector<float> expected;
  for (std::int64_t i = 0; i < 4 * kOutputs; ++i) {
    const float* row = x.data() + i / kOutputs / 2 * kInputs;
    const float* w = weights[ids[i / kOutputs]].data() + i % kOutputs * kInputs;
    expected.push_back(dot(
        kInputs, [&](std::int64_t k) { return row[k]; }, [&](std::int64_t k) { return w[k]; }));
  }
  std::vector<PackedWeights> packed;
  expect_bits("experts in bf12", expected, [&](Probe& p) {
    packed.clear();
    std::vector<const PackedWeights*> experts;
    for (const auto& w : weights) {
      packed.push_back(bf12::pack(p.context(), WeightSource({w.data(), kOutputs, kInputs})).value());
    }
    for (const PackedWeights& w : packed) experts.push_back(&w);
    const auto table = std::make_shared<ExpertWeights>(p.context(), experts);
    const ConstMatrix rows = p.input(x, 2, kInputs);
    const std::int32_t* at = p.input(ids);
    const Matrix out = p.output(4, kOutputs);
    return Prepared{[=, &p] { expert_product(p.context(), rows, 2, *table, at, out); }, out};
  });
}

TEST(Bf12, TakesTwelveBits) {
  Random random(87);
  Context context;
  auto w = some_weights(512 * 128, random);
  const PackedWeights packed = pack_weights(context, {w.data(), 128, 512}, DType::bf16);
  ASSERT_EQ(packed.codes, WeightCodes::bf12);
  EXPECT_EQ(pack_weights(context, {w.data(), 127, 512}, DType::bf16).codes, WeightCodes::none);
  std::int64_t raw = 0;
  for (std::int64_t k = 0; k < 512; k += 256) {
    for (std::int64_t panel = 0; panel < 8; ++panel) {
      bf12::Header header;
      std::memcpy(static_cast<void*>(&header), packed.panels.bytes() + quantised::panel_offset(packed, k, panel),
                  sizeof header);
      raw += std::popcount(header.raw);
    }
  }
  const std::int64_t slices = 2 * 8 * bf12::kHeaderBytes;
  EXPECT_EQ(packed.panels.size() * 4, 512 * 128 * 12 / 8 + slices + raw * bf12::kRawOctetBytes + quantised::kPadding);
  EXPECT_LT(raw, 16);
}

TEST(Bf12, Speed) {
  if (!benchmarking()) return;
  Random random(88);
  for (const std::int64_t rows : {1, 2, 4, 8, 512}) {
    const Job j{rows, 1024, 8192};
    check(j, some_weights(j.inputs * j.outputs, random), WeightCodes::bf12, random);
  }
}

}  // namespace
}  // namespace tessera::harness
