#include "kernels/product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/arithmetic.h"
#include "kernels/error.h"
#include "kernels/narrow.h"
#include "tests/kernels/harness.h"
#include "tests/kernels/rules.h"

namespace tessera::harness {
namespace {

struct Job {
  std::int64_t rows, runs, run_length, run_step, step, outputs;
  DType storage;
  Activation activation;
  bool bias, scale, residual, in_place;
};

// y[r, n] = residual + scale * f(bias + sum of slices of chains), straight from the header.
std::vector<float> product_rule(const Job& j, const std::vector<float>& x, const std::vector<float>& w,
                                const std::vector<float>& bias, const std::vector<float>& scale,
                                const std::vector<float>& residual) {
  const std::int64_t inputs = j.runs * j.run_length;
  std::vector<float> out;
  for (std::int64_t r = 0; r < j.rows; ++r) {
    const auto input = [&](std::int64_t k) { return x[r * j.step + k / j.run_length * j.run_step + k % j.run_length]; };
    for (std::int64_t n = 0; n < j.outputs; ++n) {
      float y = dot(inputs, input, [&](std::int64_t k) { return w[n * inputs + k]; });
      if (j.bias) y = y + bias[n];
      y = rules::activation(j.activation, y);
      if (j.scale) y = y * scale[n];
      if (j.residual) y = residual[r * j.outputs + n] + y;
      out.push_back(y);
    }
  }
  return out;
}

float stored(DType type, float x) {
  if (type == DType::bf16) return float_from_bf16(bf16_from_float(x));
  return type == DType::f16 ? float_from_f16(f16_from_float(x)) : x;
}

void check(const Job& j, Random& random) {
  const std::int64_t inputs = j.runs * j.run_length;
  const std::int64_t span = (j.rows - 1) * j.step + (j.runs - 1) * j.run_step + j.run_length;
  const auto x = random.floats(std::max<std::int64_t>(span, 0));
  auto w = random.floats(inputs * j.outputs);
  for (float& v : w) v = stored(j.storage, v);
  const auto bias = random.floats(j.outputs);
  const auto scale = random.floats(j.outputs);
  const auto residual = random.floats(j.rows * j.outputs);
  const std::string name = "product " + to_string({j.rows, inputs, j.outputs}) + " " + name_of(j.storage);
  expect_bits(name, product_rule(j, x, w, bias, scale, residual), [&](Probe& p) {
    Rows rows;
    rows.data = p.input(x);
    rows.count = j.rows;
    rows.step = j.step;
    rows.run_length = j.run_length;
    rows.runs = j.runs;
    rows.run_step = j.run_step;
    auto packed = std::make_shared<PackedWeights>(pack_weights(p.context(), {w.data(), j.outputs, inputs}, j.storage));
    Epilogue e;
    e.activation = j.activation;
    if (j.bias) e.bias = p.input(bias);
    if (j.scale) e.scale = p.input(scale);
    const bool in_place = j.in_place && !benchmarking();
    const Matrix out =
        in_place ? p.in_place(residual, j.rows, j.outputs) : p.output(j.rows, j.outputs, j.outputs + j.rows % 3);
    if (j.residual) e.residual = in_place ? ConstMatrix(out) : p.input(residual, j.rows, j.outputs);
    const double flops = 2.0 * static_cast<double>(j.rows * inputs * j.outputs);
    return Prepared{[=, &p] { product(p.context(), rows, *packed, e, out); }, out, flops};
  });
}

TEST(Product, SeveralInOneGoHaveTheBitsOfEach) {
  Random random(77);
  for (const int threads : {1, 3}) {
    Context context(ContextOptions{Device{}, threads, {}});
    std::vector<PackedWeights> weights;
    std::vector<Tensor> inputs, alone, together;
    for (int i = 0; i < 7; ++i) {
      const std::int64_t rows = i == 3 ? 0 : random.integer(1, 200);
      const std::int64_t width = random.integer(1, 600);
      const std::int64_t outputs = random.integer(1, 900);
      const auto w = random.floats(outputs * width);
      const DType type = i % 2 == 0 ? DType::bf16 : DType::f32;
      weights.push_back(pack_weights(context, ConstMatrix{w.data(), outputs, width}, {type}));
      const auto x = random.floats(rows * width);
      inputs.push_back(context.allocate({rows, width}));
      std::copy(x.begin(), x.end(), inputs.back().data());
      alone.push_back(context.allocate({rows, outputs}));
      together.push_back(context.allocate({rows, outputs}));
    }
    std::vector<ProductOf> all;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      product(context, ConstMatrix(inputs[i]), weights[i], {}, alone[i]);
      all.push_back({ConstMatrix(inputs[i]), &weights[i], together[i]});
    }
    products(context, all);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const auto bytes = static_cast<std::size_t>(alone[i].size()) * sizeof(float);
      EXPECT_TRUE(bytes == 0 || std::memcmp(alone[i].bytes(), together[i].bytes(), bytes) == 0) << i << ", " << threads;
    }
    all.push_back({ConstMatrix(inputs[0]), &weights[1], together[0]});
    EXPECT_THROW(products(context, all), ArgumentError);
    products(context, {});
  }
}

TEST(Product, EveryBackendFollowsTheRule) {
  Random random(1);
  for (int i = 0; i < tries(60); ++i) {
    Job j{};
    j.rows = random.extent(70);
    j.runs = random.coin() ? 1 : random.integer(1, 4);
    j.run_length = random.extent(i % 8 == 0 ? 700 : 90, false);
    j.run_step = j.runs == 1 ? 0 : random.integer(1, 2 * j.run_length);
    j.step = random.integer(1, 2 * j.run_length);
    j.outputs = random.extent(90);
    j.storage = static_cast<DType>(random.integer(0, 2));
    j.activation = static_cast<Activation>(random.integer(0, 7));
    j.bias = random.coin();
    j.scale = random.coin();
    j.residual = random.coin();
    j.in_place = j.residual && random.coin();
    check(j, random);
  }
}

TEST(Product, ManyTilesAndThreads) {
  Random random(2);
  check({300, 1, 520, 0, 520, 600, DType::f32, Activation::gelu, true, true, true, true}, random);
  check({1, 1, 4400, 0, 4400, 130, DType::bf16, Activation::none, true, false, false, false}, random);
}

// `out` holds something first, which columns of other panels keep.
void check_range(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, OutputRange only, DType storage,
                 Random& random) {
  const Job j{rows, 1, inputs, 0, inputs, outputs, storage, Activation::gelu, true, true, false, false};
  const auto x = random.floats(rows * inputs);
  auto w = random.floats(inputs * outputs);
  for (float& v : w) v = stored(storage, v);
  const auto bias = random.floats(outputs);
  const auto scale = random.floats(outputs);
  const auto before = random.floats(rows * outputs);
  auto expected = product_rule(j, x, w, bias, scale, {});
  for (std::int64_t i = 0; i < rows * outputs; ++i) {
    const std::int64_t panel = i % outputs / 16;
    const bool computed = only.count > 0 && panel >= only.first / 16 && panel <= (only.first + only.count - 1) / 16;
    if (!computed) expected[i] = before[i];
  }
  const std::string name = "product " + to_string({rows, inputs, outputs}) + " " + name_of(storage) + ", outputs " +
                           std::to_string(only.first) + " and " + std::to_string(only.count);
  expect_bits(name, expected, [&](Probe& p) {
    auto packed = std::make_shared<PackedWeights>(pack_weights(p.context(), {w.data(), outputs, inputs}, storage));
    Epilogue e;
    e.activation = j.activation;
    e.bias = p.input(bias);
    e.scale = p.input(scale);
    const ConstMatrix rows_in = p.input(x, rows, inputs);
    const Matrix out = p.in_place(before, rows, outputs);
    return Prepared{[=, &p] { product(p.context(), rows_in, *packed, e, out, only); }, out};
  });
}

TEST(Product, OfSomeOutputsHasTheSameBits) {
  Random random(4);
  for (int i = 0; i < tries(30); ++i) {
    const std::int64_t outputs = random.extent(700, false);
    const std::int64_t first = random.integer(0, outputs);
    check_range(random.extent(20), random.extent(600, false), outputs, {first, random.integer(0, outputs - first)},
                static_cast<DType>(random.integer(0, 2)), random);
  }
}

TEST(Product, Speed) {
  if (!benchmarking()) return;
  Random random(3);
  for (const auto& [m, k, n] : {std::array<std::int64_t, 3>{256, 256, 256},
                                {512, 512, 512},
                                {1024, 1024, 1024},
                                {24000, 192, 32},
                                {24000, 32, 64},
                                {24000, 7, 64},
                                {24000, 192, 1},
                                {1, 4096, 4096}}) {
    for (const DType storage : {DType::f32, DType::bf16}) {
      check({m, 1, k, 0, k, n, storage, Activation::none, false, false, false, false}, random);
    }
  }
}

// As a file has it: any address, several tensors one behind another.
std::vector<std::byte> as_stored(DType type, const std::vector<float>& values) {
  std::vector<std::byte> bytes(1);
  for (const float value : values) {
    const std::uint16_t narrow = type == DType::bf16 ? bf16_from_float(value) : f16_from_float(value);
    const auto* from =
        type == DType::f32 ? reinterpret_cast<const std::byte*>(&value) : reinterpret_cast<const std::byte*>(&narrow);
    bytes.insert(bytes.end(), from, from + size_of(type));
  }
  return bytes;
}

TEST(Product, StoredRowsPackLikeTheirFloats) {
  Random random(5);
  Context context;
  constexpr std::int64_t kInputs = 300;
  for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
    auto w = random.floats(40 * kInputs);
    for (float& v : w) v = stored(type, v);
    const auto bytes = as_stored(type, w);
    const auto* second = bytes.data() + 1 + 7 * kInputs * static_cast<std::int64_t>(size_of(type));
    const WeightSource source({{bytes.data() + 1, type, 7}, {second, type, 33}}, kInputs);
    ASSERT_EQ(source.rows(), 40);
    const PackedWeights expected = pack_weights(context, {w.data(), 40, kInputs}, type);
    const PackedWeights packed = pack_weights(context, source, type);
    ASSERT_EQ(packed.panels.size(), expected.panels.size());
    const std::size_t size = static_cast<std::size_t>(packed.panels.size()) * size_of(packed.panels.type());
    EXPECT_EQ(std::memcmp(packed.panels.bytes(), expected.panels.bytes(), size), 0) << name_of(type);
  }
  EXPECT_THROW(WeightSource({{nullptr, DType::i32, 1}}, 4), ArgumentError);
}

TEST(Product, RefusesShapesThatDisagree) {
  Context context;
  const std::vector<float> w(12);
  const PackedWeights packed = pack_weights(context, {w.data(), 3, 4});
  Tensor x = context.scratch({2, 5});
  Tensor out = context.scratch({2, 3});
  EXPECT_THROW(product(context, ConstMatrix(x), packed, {}, out), ArgumentError);
  Tensor wide = context.scratch({2, 4});
  EXPECT_THROW(product(context, ConstMatrix(wide), packed, {}, wide), ArgumentError);
  for (const OutputRange& only : {OutputRange{-1, 1}, OutputRange{0, 4}, OutputRange{3, 1}, OutputRange{0, -1}}) {
    EXPECT_THROW(product(context, ConstMatrix(wide), packed, {}, out, only), ArgumentError);
  }
  EXPECT_THROW(static_cast<void>(pack_weights(context, {w.data(), 3, 4}, DType::i32)), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
