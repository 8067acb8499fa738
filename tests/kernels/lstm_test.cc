#include "kernels/lstm.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdio>

#include "kernels/arithmetic.h"
#include "kernels/error.h"
#include "kernels/narrow.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

struct Job {
  std::int64_t steps, batch, inputs, hidden;
  DType storage = DType::f32;
};

struct Layer {
  std::vector<float> weight_ih, weight_hh, bias_ih, bias_hh;
};

Layer random_layer(const Job& j, Random& random) {
  const float scale = 1.5F / std::sqrt(static_cast<float>(j.hidden + 1));
  Layer layer{random.floats(4 * j.hidden * j.inputs, scale), random.floats(4 * j.hidden * j.hidden, scale),
              random.floats(4 * j.hidden), random.floats(4 * j.hidden)};
  if (j.storage != DType::bf16) return layer;
  for (float& w : layer.weight_ih) w = float_from_bf16(bf16_from_float(w));
  for (float& w : layer.weight_hh) w = float_from_bf16(bf16_from_float(w));
  return layer;
}

// One step of one sequence, straight from the header; `h` and `c` become the new ones.
void step_rule(const Job& j, const Layer& l, const float* x, std::vector<float>& h, std::vector<float>& c) {
  using L = scalar::Lanes;
  std::vector<float> gate;
  for (std::int64_t n = 0; n < 4 * j.hidden; ++n) {
    const float from_x = dot(
        j.inputs, [&](std::int64_t k) { return x[k]; }, [&](std::int64_t k) { return l.weight_ih[n * j.inputs + k]; });
    const float from_h = dot(
        j.hidden, [&](std::int64_t k) { return h[k]; }, [&](std::int64_t k) { return l.weight_hh[n * j.hidden + k]; });
    gate.push_back((from_x + l.bias_ih[n]) + (from_h + l.bias_hh[n]));
  }
  for (std::int64_t u = 0; u < j.hidden; ++u) {
    const float* g = gate.data() + u;
    const float kept = scalar::sigmoid<L>(g[j.hidden]) * c[u];
    const float added = scalar::sigmoid<L>(g[0]) * scalar::tanh<L>(g[2 * j.hidden]);
    c[u] = kept + added;
    h[u] = scalar::sigmoid<L>(g[3 * j.hidden]) * scalar::tanh<L>(c[u]);
  }
}

// [steps * batch, hidden], then the cells at the end, [batch, hidden].
std::vector<float> rule(const Job& j, const Layer& l, const std::vector<float>& x) {
  std::vector<float> out(static_cast<std::size_t>((j.steps + 1) * j.batch * j.hidden));
  for (std::int64_t b = 0; b < j.batch; ++b) {
    std::vector<float> h(static_cast<std::size_t>(j.hidden));
    std::vector<float> c = h;
    for (std::int64_t s = 0; s < j.steps; ++s) {
      step_rule(j, l, x.data() + (s * j.batch + b) * j.inputs, h, c);
      std::copy(h.begin(), h.end(), out.begin() + (s * j.batch + b) * j.hidden);
    }
    std::copy(c.begin(), c.end(), out.begin() + (j.steps * j.batch + b) * j.hidden);
  }
  return out;
}

PackedLstm pack(Context& context, const Job& j, const Layer& l) {
  return pack_lstm(context, {l.weight_ih.data(), 4 * j.hidden, j.inputs}, {l.weight_hh.data(), 4 * j.hidden, j.hidden},
                   l.bias_ih, l.bias_hh, j.storage);
}

// In calls of `piece` steps; the cells come out behind the last step.
void check(const Job& j, std::int64_t piece, bool in_place, Random& random) {
  const Layer layer = random_layer(j, random);
  const std::int64_t rows = j.steps * j.batch;
  auto x = random.floats(rows * j.inputs);
  const std::string name = "lstm " + to_string({j.steps, j.batch, j.inputs, j.hidden}) + " " + name_of(j.storage);
  const auto expected = rule(j, layer, x);
  expect_bits(name, expected, [&](Probe& p) {
    auto packed = std::make_shared<PackedLstm>(pack(p.context(), j, layer));
    auto values = x;
    values.resize(static_cast<std::size_t>((j.steps + 1) * j.batch * j.hidden));
    const Matrix out = in_place ? p.in_place(values, rows + j.batch, j.hidden)
                                : p.output(rows + j.batch, j.hidden, j.hidden + j.batch % 3);
    const ConstMatrix in = in_place ? ConstMatrix(out).slice(0, rows) : p.input(x, rows, j.inputs);
    const auto run = [=, &p] {
      LstmState state = start_lstm(p.context(), *packed, j.batch);
      for (std::int64_t row = 0; row < rows; row += piece * j.batch) {
        const std::int64_t count = std::min(piece * j.batch, rows - row);
        lstm(p.context(), in.slice(row, count), j.batch, *packed, state, out.slice(row, count));
      }
      const std::size_t row_bytes = static_cast<std::size_t>(j.hidden) * sizeof(float);
      for (std::int64_t b = 0; b < j.batch; ++b) {
        p.context().copy(state.cell.bytes() + static_cast<std::size_t>(b) * row_bytes,
                         reinterpret_cast<std::byte*>(out.row(rows + b)), row_bytes);
      }
    };
    return Prepared{run, out};
  });
}

TEST(Lstm, EveryBackendFollowsTheRule) {
  Random random(81);
  for (int i = 0; i < tries(40); ++i) {
    Job j{random.integer(0, 9), random.integer(1, 5), random.extent(60), random.extent(70)};
    if (i % 4 == 0) j.storage = DType::bf16;
    const bool in_place = i % 5 == 0;
    if (in_place) j.inputs = j.hidden;
    check(j, random.integer(1, 10), in_place, random);
  }
}

TEST(Lstm, ManyRowsSlicesAndThreads) {
  Random random(82);
  check({3, 100, 20, 40}, 3, false, random);  // more rows than a tile
  check({2, 300, 17, 17}, 2, true, random);   // more rows than are projected at once
  check({300, 1, 9, 5}, 300, false, random);  // more steps than that
  check({4, 1, 300, 300}, 4, false, random);  // two slices, work for several threads
  check({4, 2, 70, 260, DType::bf16}, 3, false, random);
}

// Steps of one sequence, which read all hidden weights each; best of many short runs.
void time_steps(std::int64_t hidden, DType storage, int threads, Random& random) {
  ContextOptions options;
  options.threads = threads;
  Context context(options);
  const Job j{16, 1, 16, hidden, storage};
  const PackedLstm packed = pack(context, j, random_layer(j, random));
  LstmState state = start_lstm(context, packed, 1);
  const Tensor x = context.allocate({j.steps, j.inputs});
  const Tensor out = context.allocate({j.steps, hidden});
  double best = 1e9;
  for (int run = 0; run < 300; ++run) {
    const auto start = std::chrono::steady_clock::now();
    lstm(context, x, 1, packed, state, out);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  const double steps = static_cast<double>(j.steps) / best;
  const double bytes = static_cast<double>(packed.hidden.panels.size()) * static_cast<double>(size_of(storage));
  std::printf("lstm of %lld units, %s, %d threads %27.0f steps/s %8.1f GB/s\n", static_cast<long long>(hidden),
              name_of(storage), threads, steps, steps * bytes * 1e-9);
}

TEST(Lstm, Speed) {
  if (!benchmarking()) return;
  Random random(83);
  for (const std::int64_t hidden : {512, 1024}) {
    for (const DType storage : {DType::f32, DType::bf16}) {
      for (const int threads : {1, 2}) time_steps(hidden, storage, threads, random);
    }
  }
  check({4, 32, 512, 512}, 4, false, random);
}

TEST(Lstm, RefusesShapesThatDisagree) {
  Context context;
  const std::vector<float> w(12 * 5);
  const std::vector<float> bias(12);
  const ConstMatrix weight_ih(w.data(), 12, 5);
  const ConstMatrix weight_hh(w.data(), 12, 3);
  const PackedLstm packed = pack_lstm(context, weight_ih, weight_hh, bias, bias);
  EXPECT_EQ(packed.inputs, 5);
  EXPECT_EQ(packed.hidden_size, 3);
  const std::span<const float> short_bias(bias.data(), 11);
  EXPECT_THROW(static_cast<void>(pack_lstm(context, weight_hh, weight_ih, bias, bias)), ArgumentError);
  EXPECT_THROW(static_cast<void>(pack_lstm(context, weight_ih, weight_hh, short_bias, bias)), ArgumentError);
  EXPECT_THROW(static_cast<void>(pack_lstm(context, weight_ih, weight_hh, bias, short_bias)), ArgumentError);
  LstmState state = start_lstm(context, packed, 2);
  const Tensor x = context.allocate({4, 5});
  const Tensor out = context.allocate({4, 3});
  EXPECT_NO_THROW(lstm(context, x, 2, packed, state, out));
  EXPECT_THROW(lstm(context, x, 4, packed, state, out), ArgumentError);
  EXPECT_THROW(lstm(context, x, 0, packed, state, out), ArgumentError);
  EXPECT_THROW(lstm(context, x.matrix().slice(0, 3), 2, packed, state, out.matrix().slice(0, 3)), ArgumentError);
  EXPECT_THROW(lstm(context, out, 2, packed, state, out), ArgumentError);
  EXPECT_THROW(lstm(context, x, 2, packed, state, x), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
