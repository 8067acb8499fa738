#include "kernels/depthwise.h"

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "tests/kernels/harness.h"
#include "tests/kernels/rules.h"

namespace tessera::harness {
namespace {

// out[q * phases + p, c] = f(bias + sum over taps of x[q * stride + tap * dilation, c] w[p, tap, c]).
std::vector<float> rule(const DepthwiseJob& j, const std::vector<float>& x, const std::vector<float>& w,
                        const std::vector<float>& bias) {
  const std::int64_t channels = j.x.columns;
  std::vector<float> out;
  for (std::int64_t r = 0; r < j.out.rows; ++r) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t first = r / j.phases * j.stride;
      const float sum = dot(
          j.taps, [&](std::int64_t k) { return x[(first + k * j.dilation) * channels + c]; },
          [&](std::int64_t k) { return w[(r % j.phases * j.taps + k) * channels + c]; });
      out.push_back(rules::activation(j.activation, bias.empty() ? sum : sum + bias[c]));
    }
  }
  return out;
}

void check(DepthwiseJob j, std::int64_t steps, std::int64_t spare, Random& random) {
  const std::int64_t channels = j.x.columns;
  j.x.rows = steps == 0 ? spare : (steps - 1) * j.stride + (j.taps - 1) * j.dilation + 1 + spare;
  j.out.rows = steps * j.phases;
  const auto x = random.floats(j.x.rows * channels);
  const auto w = random.floats(j.phases * j.taps * channels);
  const auto bias = random.floats(random.coin() ? channels : 0);
  expect_bits("depthwise " + to_string({steps, j.phases, j.taps, channels}), rule(j, x, w, bias), [&](Probe& p) {
    DepthwiseJob job = j;
    job.x = p.input(x, j.x.rows, channels);
    job.weights = p.input(w);
    job.bias = bias.empty() ? nullptr : p.input(bias);
    job.out = p.output(j.out.rows, channels, channels + 2);
    return Prepared{[=, &p] { depthwise(p.context(), job); }, job.out};
  });
}

TEST(Depthwise, EveryBackendFollowsTheRule) {
  Random random(41);
  for (int i = 0; i < tries(60); ++i) {
    DepthwiseJob j{};
    j.x.columns = random.extent(70, false);
    j.phases = random.coin() ? 1 : random.integer(2, 6);
    j.taps = random.integer(1, 9);
    j.stride = random.integer(1, 4);
    j.dilation = random.integer(1, 4);
    j.activation = static_cast<Activation>(i % 8);
    check(j, random.extent(50), random.integer(0, 3), random);
  }
}

TEST(Depthwise, MoreThanOneSlice) {
  Random random(42);
  for (const std::int64_t taps : {255, 256, 257, 600}) {
    check({{nullptr, 0, 19}, nullptr, 2, taps, 1, 1, nullptr, Activation::none, {}}, 40, 0, random);
  }
}

TEST(Depthwise, RefusesShapesThatDisagree) {
  Context context;
  const Tensor x = context.allocate({10, 4});
  const Tensor w = context.allocate({2, 3, 4});
  const Tensor out = context.allocate({16, 4});
  const auto run = [&](ConstMatrix input, Matrix output) {
    depthwise(context, {input, w.data(), 2, 3, 1, 1, nullptr, Activation::none, output});
  };
  EXPECT_NO_THROW(run(x, out));
  EXPECT_THROW(run(x.matrix().slice(0, 9), out), ArgumentError);
  EXPECT_THROW(run(x, out.matrix().slice(0, 15)), ArgumentError);
  EXPECT_THROW(run(x, out.matrix().columns_from(0, 3)), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
