// Each operation against values that PyTorch and torchaudio computed in float64 (tests/golden/README.md). The bounds
// are about three times the errors seen, which are those of float32 sums.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/activation.h"
#include "kernels/conv.h"
#include "kernels/elementwise.h"
#include "kernels/norm.h"
#include "kernels/resample.h"
#include "kernels/search.h"
#include "kernels/snake.h"
#include "kernels/spectrum.h"
#include "tests/kernels/fixtures.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

std::vector<float> floats_or_none(const GoldenCase& g, const std::string& role) {
  return g.has(role) ? g.floats(role) : std::vector<float>{};
}

PadMode pad_mode(const std::string& name) {
  return name == "reflect" ? PadMode::reflect : name == "replicate" ? PadMode::replicate : PadMode::zeros;
}

Tensor padded(Context& context, ConstMatrix x, std::int64_t left, std::int64_t right, PadMode mode) {
  Tensor out = context.allocate({left + x.rows + right, x.columns});
  pad_frames(context, x, left, right, mode, out);
  return out;
}

std::vector<float> convolve(Context& context, const GoldenCase& g, std::int64_t clip) {
  const Shape& in = g.shape("input");
  const Tensor x = on_device(context, g.clip("input", clip), {in[2], in[1]});
  const ConvShape shape{in[1],
                        g.shape("weight")[0],
                        g.integer("kernel"),
                        g.integer("stride"),
                        g.integer("dilation"),
                        g.integer("groups")};
  const PackedConv conv = pack_conv1d(context, g.floats("weight"), floats_or_none(g, "bias"), shape);
  const Tensor rows =
      padded(context, x, g.integer("pad_left"), g.integer("pad_right"), pad_mode(g.parameters.at("pad_mode")));
  const Tensor out = context.allocate({shape.output_frames(rows.dim(0)), shape.out_channels});
  conv1d(context, rows, conv, {}, out);
  return on_host(context, out);
}

TEST(Golden, Conv1d) {
  for (const GoldenCase& g : golden_cases("conv1d")) {
    for (std::int64_t clip = 0; clip < g.shape("input")[0]; ++clip) {
      expect_near(g.name, g.clip("output", clip), 1e-6, [&](Context& c) { return convolve(c, g, clip); });
    }
  }
}

// All of PyTorch's output: zeros on both sides, cut to length.
std::vector<float> convolve_transposed(Context& context, const GoldenCase& g, std::int64_t clip) {
  const Shape& in = g.shape("input");
  const Shape& out_shape = g.shape("output");
  const Tensor x = on_device(context, g.clip("input", clip), {in[2], in[1]});
  const ConvShape shape{in[1], out_shape[1], g.integer("kernel"), g.integer("stride"), 1, g.integer("groups")};
  const PackedConv conv = pack_conv_transpose1d(context, g.floats("weight"), floats_or_none(g, "bias"), shape);
  const std::int64_t context_frames = shape.taps() - 1;
  const std::int64_t steps = (out_shape[2] + shape.stride - 1) / shape.stride;
  const Tensor rows = padded(context, x, context_frames, steps - in[2], PadMode::zeros);
  const Tensor out = context.allocate({steps * shape.stride, shape.out_channels});
  conv_transpose1d(context, rows, conv, Activation::none, out);
  std::vector<float> values = on_host(context, out);
  values.resize(static_cast<std::size_t>(out_shape[1] * out_shape[2]));
  return values;
}

TEST(Golden, ConvTranspose1d) {
  for (const GoldenCase& g : golden_cases("conv_transpose1d")) {
    for (std::int64_t clip = 0; clip < g.shape("input")[0]; ++clip) {
      expect_near(g.name, g.clip("output", clip), 1e-6, [&](Context& c) { return convolve_transposed(c, g, clip); });
    }
  }
}

// Inputs reach far: errors count relative to values above one.
std::vector<float> relative_to(const std::vector<float>& expected, std::vector<float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] /= std::max(1.0F, std::fabs(expected[i]));
  return values;
}

TEST(Golden, Activations) {
  for (const std::string name : {"gelu", "elu", "silu", "tanh", "sigmoid", "relu"}) {
    const GoldenCase g = golden_cases(name).front();
    const std::vector<float> expected = g.floats("output");
    expect_near(g.name, relative_to(expected, expected), 3e-7, [&](Context& c) {
      const Tensor x = on_device(c, g.floats("input"), g.shape("input"));
      activate(c, activation_from_name(name, "test"), x, x);
      return relative_to(expected, on_host(c, x));
    });
  }
}

TEST(Golden, Snake) {
  for (const GoldenCase& g : golden_cases("snake")) {
    expect_near(g.name, g.floats("output"), 3e-7, [&](Context& c) {
      const Tensor x = on_device(c, g.floats("input"), g.shape("input"));
      snake(c, x, make_snake(c, g.floats("alpha")), x);
      return on_host(c, x);
    });
  }
}

TEST(Golden, MeanAndRepeatedFrames) {
  for (const std::string operation : {"avg_pool1d", "repeat_interleave"}) {
    for (const GoldenCase& g : golden_cases(operation)) {
      expect_near(g.name, g.clip("output", 0), 3e-7, [&](Context& c) {
        const Tensor x = on_device(c, g.clip("input", 0), {g.shape("input")[2], g.shape("input")[1]});
        const Tensor out = c.allocate({g.shape("output")[2], g.shape("output")[1]});
        (operation == "avg_pool1d" ? mean_frames : repeat_frames)(c, x, g.integer("factor"), out);
        return on_host(c, out);
      });
    }
  }
}

TEST(Golden, Resampling) {
  for (const GoldenCase& g : golden_cases("resample")) {
    expect_near(g.name, g.floats("output"), from_decibels(125), [&](Context& c) {
      Resampler resampler(c, static_cast<int>(g.integer("from")), static_cast<int>(g.integer("to")));
      std::vector<float> out = resampler.push(g.floats("input"));
      const std::vector<float> rest = resampler.finish();
      out.insert(out.end(), rest.begin(), rest.end());
      return out;
    });
  }
}

// Frames of the wave with n_fft / 2 reflected samples on both sides (a short wave is extended with zeros first).
Tensor spectrum_of(Context& context, const GoldenCase& g, const std::vector<float>& window) {
  const std::int64_t n_fft = g.integer("n_fft");
  const std::int64_t hop = g.integer("hop");
  std::vector<float> wave = g.floats("input");
  wave.resize(std::max(wave.size(), static_cast<std::size_t>(n_fft / 2 + 1)));
  const auto length = static_cast<std::int64_t>(wave.size());
  const Tensor samples = padded(context, on_device(context, wave, {length, 1}), n_fft / 2, n_fft / 2, PadMode::reflect);
  Tensor out = context.allocate({(samples.size() - n_fft) / hop + 1, 2 * (n_fft / 2 + 1)});
  product(context, ConstMatrix(samples.data(), out.dim(0), n_fft, hop), pack_stft(context, n_fft, window), {}, out);
  return out;
}

// Rows of `a` and `b` one after the other: real parts, then imaginary parts.
std::vector<float> side_by_side(const std::vector<float>& a, const std::vector<float>& b, std::int64_t columns) {
  std::vector<float> rows;
  for (std::size_t i = 0; i < a.size(); i += static_cast<std::size_t>(columns)) {
    rows.insert(rows.end(), a.begin() + static_cast<std::int64_t>(i),
                a.begin() + static_cast<std::int64_t>(i) + columns);
    rows.insert(rows.end(), b.begin() + static_cast<std::int64_t>(i),
                b.begin() + static_cast<std::int64_t>(i) + columns);
  }
  return rows;
}

TEST(Golden, Stft) {
  for (const GoldenCase& g : golden_cases("stft")) {
    const auto expected = side_by_side(g.floats("real"), g.floats("imag"), g.shape("real")[1]);
    expect_near(g.name, expected, from_decibels(120), [&](Context& c) {
      return on_host(c, spectrum_of(c, g, hann_window(g.integer("window"), g.integer("n_fft"))));
    });
  }
}

std::vector<float> invert(Context& context, const GoldenCase& g) {
  const std::int64_t n_fft = g.integer("n_fft");
  const std::int64_t hop = g.integer("hop");
  const std::int64_t frames = g.shape("real")[0];
  const std::int64_t bins = g.shape("real")[1];
  const auto window = hann_window(g.integer("window"), n_fft);
  const PackedConv inverse = pack_inverse_stft(context, n_fft, hop, window);
  const std::int64_t front = inverse.shape.taps() - 1;
  const Tensor spectrum =
      on_device(context, side_by_side(g.floats("real"), g.floats("imag"), bins), {frames, 2 * bins});
  const Tensor rows = padded(context, spectrum, front, front, PadMode::zeros);
  const Tensor samples = context.allocate({(frames + front) * hop, 1});
  conv_transpose1d(context, rows, inverse, Activation::none, samples);
  const std::int64_t trim = g.parameters.at("padding") == "same" ? (n_fft - hop) / 2 : n_fft / 2;
  const std::int64_t length = g.shape("output")[0];
  const std::vector<float> all = on_host(context, samples);
  std::vector<float> out(all.begin() + trim, all.begin() + trim + length);
  const auto envelope = window_envelope(window, hop, trim, length, frames);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] /= envelope[i];
  return out;
}

TEST(Golden, InverseStft) {
  for (const GoldenCase& g : golden_cases("istft")) {
    expect_near(g.name, g.floats("output"), from_decibels(115), [&](Context& c) { return invert(c, g); });
  }
}

// Mel magnitudes, then their logarithms, each divided by a scale.
std::vector<float> joined(const std::vector<float>& magnitude, float largest, const std::vector<float>& log) {
  std::vector<float> values;
  for (const float m : magnitude) values.push_back(m / largest);
  for (const float l : log) values.push_back(l / 16.0F);  // -ln of the floor is 16.1
  return values;
}

std::vector<float> log_mel(Context& context, const GoldenCase& g, float largest) {
  const std::int64_t n_fft = g.integer("n_fft");
  const std::int64_t n_mels = g.integer("n_mels");
  const auto filters =
      mel_filters(static_cast<int>(g.integer("rate")), n_fft, n_mels, g.number("f_min"), g.number("f_max"));
  const Tensor spectrum = spectrum_of(context, g, hann_window(g.integer("window"), n_fft));
  const Tensor bins = context.allocate({spectrum.dim(0), n_fft / 2 + 1});
  magnitude(context, spectrum, bins);
  const Tensor mel = context.allocate({spectrum.dim(0), n_mels});
  product(context, ConstMatrix(bins), pack_weights(context, {filters.data(), n_mels, n_fft / 2 + 1}), {}, mel);
  const std::vector<float> magnitudes = on_host(context, mel);
  log_clamped(context, mel, static_cast<float>(g.number("floor")), mel);
  return joined(magnitudes, largest, on_host(context, mel));
}

// The filters are torchaudio's in float32, the reference has them in float64: that is most of the error.
TEST(Golden, LogMel) {
  for (const GoldenCase& g : golden_cases("log_mel")) {
    const std::vector<float> magnitudes = g.floats("magnitude");
    const float largest = *std::max_element(magnitudes.begin(), magnitudes.end());
    expect_near(g.name, joined(magnitudes, largest, g.floats("output")), 2e-5,
                [&](Context& c) { return log_mel(c, g, largest); });
  }
}

void expect_codes(const GoldenCase& g, const std::function<Codebook(Context&)>& codebook,
                  const std::function<void(Context&, Matrix)>& prepare) {
  for (const Backend& backend : backends()) {
    Context context(backend.options);
    const Tensor points = on_device(context, g.floats("points"), g.shape("points"));
    prepare(context, points);
    const Tensor codes = context.allocate({points.dim(0)}, DType::i32);
    nearest_codes(context, points, codebook(context), codes.ints());
    std::vector<std::int32_t> got(static_cast<std::size_t>(codes.size()));
    context.download(codes.bytes(), got.data(), got.size() * sizeof(std::int32_t));
    EXPECT_EQ(got, g.ints("output")) << g.name << " on " << backend.name;
  }
}

TEST(Golden, Search) {
  for (const GoldenCase& g : golden_cases("search")) {
    const auto table = g.floats("table");
    const Shape& shape = g.shape("table");
    expect_codes(
        g,
        [&](Context& c) {
          return pack_codebook(c, {table.data(), shape[0], shape[1]});
        },
        [](Context&, Matrix) {});
  }
}

TEST(Golden, CosineSearch) {
  for (const GoldenCase& g : golden_cases("cosine_search")) {
    const Shape& shape = g.shape("table");
    const auto normalized = [&](Context& c, const std::string& role) {
      const Tensor rows = on_device(c, g.floats(role), g.shape(role));
      l2_normalize(c, rows, 1e-12F, rows);
      return on_host(c, rows);
    };
    expect_near(g.name, g.floats("normal"), 3e-7, [&](Context& c) { return normalized(c, "points"); });
    const auto codebook = [&](Context& c) {
      const auto table = normalized(c, "table");
      return pack_codebook(c, {table.data(), shape[0], shape[1]});
    };
    expect_codes(g, codebook, [](Context& c, Matrix points) { l2_normalize(c, points, 1e-12F, points); });
  }
}

}  // namespace
}  // namespace tessera::harness
