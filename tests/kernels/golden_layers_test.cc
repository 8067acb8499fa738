// Norms, softmax, rotary embedding, attention and LSTM against values that PyTorch computed in float64
// (tests/golden/README.md).

#include <gtest/gtest.h>

#include "kernels/attention.h"
#include "kernels/lstm.h"
#include "kernels/norm.h"
#include "kernels/rotary.h"
#include "kernels/softmax.h"
#include "tests/kernels/fixtures.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

// The role's values, or as many ones.
Tensor weight_of(Context& context, const GoldenCase& g, std::int64_t count) {
  const std::vector<float> ones(static_cast<std::size_t>(count), 1.0F);
  return on_device(context, g.has("weight") ? g.floats("weight") : ones, {count});
}

Tensor bias_of(Context& context, const GoldenCase& g, std::int64_t count) {
  return g.has("bias") ? on_device(context, g.floats("bias"), {count}) : Tensor{};
}

// far_mean has mean 300 and deviation 0.01: a mean rounded to float32 is off by up to 0.0015 deviations, where
// E[x^2] - mean^2 would keep no digit.
double norm_tolerance(const GoldenCase& g) { return g.name == "layer_norm.far_mean" ? 3e-3 : 5e-7; }

TEST(Golden, RowNorms) {
  for (const std::string operation : {"layer_norm", "rms_norm"}) {
    for (const GoldenCase& g : golden_cases(operation)) {
      expect_near(g.name, g.floats("output"), norm_tolerance(g), [&](Context& c) {
        const Tensor x = on_device(c, g.floats("input"), g.shape("input"));
        const Tensor weight = weight_of(c, g, x.dim(1));
        const Tensor bias = bias_of(c, g, x.dim(1));
        const auto epsilon = static_cast<float>(g.number("eps"));
        if (operation == "layer_norm") {
          layer_norm(c, x, weight.data(), bias.data(), epsilon, x);
        } else {
          rms_norm(c, x, weight.data(), epsilon, x);
        }
        return on_host(c, x);
      });
    }
  }
}

TEST(Golden, GroupNorm) {
  for (const GoldenCase& g : golden_cases("group_norm")) {
    const Shape& shape = g.shape("input");
    for (std::int64_t clip = 0; clip < shape[0]; ++clip) {
      expect_near(g.name, g.clip("output", clip), 5e-7, [&](Context& c) {
        const Tensor x = on_device(c, g.clip("input", clip), {shape[2], shape[1]});
        const Tensor weight = weight_of(c, g, shape[1]);
        const Tensor bias = bias_of(c, g, shape[1]);
        group_norm(c, x, g.integer("groups"), weight.data(), bias.data(), static_cast<float>(g.number("eps")), x);
        return on_host(c, x);
      });
    }
  }
}

TEST(Golden, Softmax) {
  const GoldenCase g = golden_cases("softmax").front();
  expect_near(g.name, g.floats("output"), 3e-7, [&](Context& c) {
    const Tensor x = on_device(c, g.floats("input"), g.shape("input"));
    softmax(c, x, x);
    return on_host(c, x);
  });
}

// [heads, time, size] as rows [time, heads * size].
std::vector<float> heads_in_rows(const GoldenCase& g, const std::string& role) {
  const Shape& s = g.shape(role);
  const std::vector<float> all = g.floats(role);
  std::vector<float> rows;
  for (std::int64_t t = 0; t < s.at(1); ++t) {
    for (std::int64_t h = 0; h < s[0]; ++h) {
      const auto head = all.begin() + (h * s[1] + t) * s[2];
      rows.insert(rows.end(), head, head + s[2]);
    }
  }
  return rows;
}

Tensor upload_heads(Context& context, const GoldenCase& g, const std::string& role) {
  const Shape& s = g.shape(role);
  return on_device(context, heads_in_rows(g, role), {s[1], s[0] * s[2]});
}

TEST(Golden, Rotary) {
  for (const GoldenCase& g : golden_cases("rotary")) {
    RotaryShape shape;
    shape.heads = static_cast<int>(g.shape("input")[0]);
    shape.head_dim = static_cast<int>(g.shape("input")[2]);
    shape.rotary_dim = static_cast<int>(g.integer("rotary_size"));
    shape.layout = g.parameters.at("style") == "half" ? RotaryLayout::half_split : RotaryLayout::interleaved;
    const auto frequencies = rotary_frequencies(static_cast<float>(g.number("theta")), shape.rotary_dim);
    expect_near(g.name, heads_in_rows(g, "output"), 3e-7, [&](Context& c) {
      const Tensor x = upload_heads(c, g, "input");
      const Tensor table = on_device(c, frequencies, {shape.rotary_dim / 2});
      rotary(c, shape, table.data(), g.integer("first_position"), x);
      return on_host(c, x);
    });
  }
}

TEST(Golden, Attention) {
  for (const GoldenCase& g : golden_cases("attention")) {
    const Shape& query = g.shape("query");
    const Shape& key = g.shape("key");
    AttentionShape shape;
    shape.heads = static_cast<int>(query[0]);
    shape.key_value_heads = static_cast<int>(key[0]);
    shape.head_dim = static_cast<int>(query[2]);
    shape.left = g.integer("left");
    shape.right = g.integer("right");
    shape.scale = static_cast<float>(g.number("scale"));
    expect_near(g.name, heads_in_rows(g, "output"), 1e-6, [&](Context& c) {
      KeyValueCache cache(c, shape.key_value_heads, shape.head_dim, key[1]);
      cache.append(c, 0, upload_heads(c, g, "key"), upload_heads(c, g, "value"));
      const Tensor out = c.allocate({query[1], query[0] * query[2]});
      attend(c, cache, shape, upload_heads(c, g, "query"), key[1] - query[1], 0, key[1], out);
      return on_host(c, out);
    });
  }
}

TEST(Golden, Lstm) {
  for (const GoldenCase& g : golden_cases("lstm")) {
    const Shape& in = g.shape("input");
    const std::int64_t hidden = g.shape("weight_hh")[1];
    const auto weight_ih = g.floats("weight_ih");
    const auto weight_hh = g.floats("weight_hh");
    auto expected = g.floats("output");
    const auto cell = g.floats("cell");
    expected.insert(expected.end(), cell.begin(), cell.end());
    expect_near(g.name, expected, 1e-6, [&](Context& c) {
      const PackedLstm packed =
          pack_lstm(c, {weight_ih.data(), 4 * hidden, in[2]}, {weight_hh.data(), 4 * hidden, hidden},
                    g.floats("bias_ih"), g.floats("bias_hh"));
      LstmState state = start_lstm(c, packed, in[1]);
      const Tensor x = on_device(c, g.floats("input"), in);
      const Tensor out = c.allocate({in[0], in[1], hidden});
      lstm(c, x, in[1], packed, state, out);
      auto got = on_host(c, out);
      const auto last = on_host(c, state.cell);
      got.insert(got.end(), last.begin(), last.end());
      return got;
    });
  }
}

}  // namespace
}  // namespace tessera::harness
