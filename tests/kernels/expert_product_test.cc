#include "kernels/expert_product.h"

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "kernels/quantised.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

struct Sizes {
  std::int64_t experts, identities, rows, share, inputs, outputs;
};

// Weights that any storage holds; of codes whole numbers in groups of 32 whose scale is 1.
std::vector<float> exact_weights(std::int64_t inputs, std::int64_t outputs, WeightCodes codes, Random& random) {
  std::vector<float> weights = random.floats(inputs * outputs);
  for (std::int64_t i = 0; i < inputs * outputs; ++i) {
    float& w = weights[i];
    w = codes == WeightCodes::none ? std::round(w * 16) / 16 : static_cast<float>(random.integer(-7, 7));
    if (codes != WeightCodes::none && i % inputs % 32 == 0) w = codes == WeightCodes::int4 ? -8.0F : 127.0F;
  }
  return weights;
}

PackedWeights pack(Context& context, ConstMatrix weights, DType storage, WeightCodes codes) {
  return codes != WeightCodes::none ? quantised::pack(context, WeightSource(weights), codes)
                                    : pack_weights(context, weights, {storage});
}

void check(const Sizes& c, DType storage, WeightCodes codes, Random& random) {
  std::vector<std::vector<float>> weights;
  for (std::int64_t e = 0; e < c.experts; ++e) weights.push_back(exact_weights(c.inputs, c.outputs, codes, random));
  const auto x = random.floats(c.rows * c.inputs);
  const std::int64_t slots = c.rows * c.share;
  std::vector<std::int32_t> ids;
  for (std::int64_t s = 0; s < slots; ++s) {
    ids.push_back(static_cast<std::int32_t>(random.integer(0, c.experts + c.identities - 1)));
  }
  const auto before = random.floats(slots * c.outputs);
  std::vector<float> expected = before;
  for (std::int64_t i = 0; i < slots * c.outputs; ++i) {
    const std::int64_t s = i / c.outputs;
    if (ids[s] >= c.experts) continue;
    const float* row = x.data() + s / c.share * c.inputs;
    const float* w = weights[ids[s]].data() + i % c.outputs * c.inputs;
    expected[i] = dot(
        c.inputs, [&](std::int64_t k) { return row[k]; }, [&](std::int64_t k) { return w[k]; });
  }
  std::vector<PackedWeights> packed;  // of one backend after the other
  const std::string name = "expert_product " + to_string({c.experts, c.rows, c.share, c.inputs, c.outputs});
  expect_bits(name, expected, [&](Probe& p) {
    packed.clear();
    for (const auto& w : weights) {
      packed.push_back(pack(p.context(), {w.data(), c.outputs, c.inputs}, storage, codes));
    }
    std::vector<const PackedWeights*> experts;
    for (const PackedWeights& w : packed) experts.push_back(&w);
    const auto table = std::make_shared<ExpertWeights>(p.context(), experts);
    const ConstMatrix rows = p.input(x, c.rows, c.inputs);
    const std::int32_t* at = p.input(ids);
    const Matrix out = p.in_place(before, slots, c.outputs);
    return Prepared{[=, &p] { expert_product(p.context(), rows, c.share, *table, at, out); }, out};
  });
}

void check_identity(std::int64_t rows, std::int64_t share, std::int64_t columns, Random& random) {
  const auto x = random.floats(rows * columns);
  const auto before = random.floats(rows * share * columns);
  std::vector<std::int32_t> ids;
  for (std::int64_t s = 0; s < rows * share; ++s) ids.push_back(static_cast<std::int32_t>(random.integer(0, 5)));
  std::vector<float> expected = before;
  for (std::int64_t i = 0; i < rows * share * columns; ++i) {
    if (ids[i / columns] >= 3) expected[i] = x[i / columns / share * columns + i % columns];
  }
  expect_bits("expert_identity " + to_string({rows, share, columns}), expected, [&](Probe& p) {
    const ConstMatrix in = p.input(x, rows, columns);
    const std::int32_t* at = p.input(ids);
    const Matrix out = p.in_place(before, rows * share, columns);
    return Prepared{[=, &p] { expert_identity(p.context(), in, share, 3, at, out); }, out};
  });
}

TEST(ExpertProduct, EveryBackendFollowsTheRule) {
  Random random(73);
  for (int i = 0; i < tries(20); ++i) {
    const Sizes c{random.integer(1, 6), random.integer(0, 2),      random.integer(0, 4),
                  random.integer(1, 4), random.extent(600, false), random.extent(60, false)};
    const DType storage = i % 3 == 0 ? DType::f32 : i % 3 == 1 ? DType::bf16 : DType::f16;
    const WeightCodes codes[] = {WeightCodes::none, WeightCodes::none, WeightCodes::int8, WeightCodes::int4};
    check(c, storage, codes[i % 4], random);
  }
}

TEST(ExpertProduct, SomeGiveBackWhatTheyGet) {
  Random random(74);
  for (int i = 0; i < tries(20); ++i) {
    check_identity(random.integer(0, 5), random.integer(1, 4), random.extent(300), random);
  }
}

TEST(ExpertProduct, Speed) {
  if (!benchmarking()) return;
  Random random(75);
  check({16, 0, 4, 8, 2048, 768}, DType::bf16, WeightCodes::none, random);
}

TEST(ExpertProduct, RefusesShapesThatDisagree) {
  Context context;
  const std::vector<float> w(12);
  const PackedWeights a = pack_weights(context, {w.data(), 3, 4});
  const PackedWeights b = pack_weights(context, {w.data(), 4, 3});
  EXPECT_THROW(ExpertWeights(context, {&a, &b}), ArgumentError);
  EXPECT_THROW(ExpertWeights(context, {}), ArgumentError);
  const ExpertWeights weights(context, {&a, &a});
  const Tensor x = context.allocate({2, 4});
  const std::int32_t ids[] = {0, 1, 0, 1};
  EXPECT_THROW(expert_product(context, x, 2, weights, ids, context.allocate({3, 3})), ArgumentError);
  EXPECT_THROW(expert_product(context, x, 2, weights, ids, context.allocate({4, 4})), ArgumentError);
  EXPECT_THROW(expert_product(context, x, 0, weights, ids, context.allocate({0, 3})), ArgumentError);
  EXPECT_THROW(expert_product(context, context.allocate({2, 3}), 2, weights, ids, context.allocate({4, 3})),
               ArgumentError);
  EXPECT_THROW(expert_identity(context, x, 2, 1, ids, context.allocate({4, 3})), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
