#include "kernels/conv.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/error.h"
#include "kernels/narrow.h"
#include "tests/kernels/harness.h"
#include "tests/kernels/rules.h"

namespace tessera::harness {
namespace {

struct Job {
  ConvShape shape;
  std::int64_t frames;
  std::int64_t gap;  // floats between input rows
  DType storage;
  Activation activation;
  bool bias, scale, residual;
};

struct Data {
  std::vector<float> x, w, bias, scale, residual;
};

float stored(DType type, float x) {
  if (type == DType::bf16) return float_from_bf16(bf16_from_float(x));
  return type == DType::f16 ? float_from_f16(f16_from_float(x)) : x;
}

// Gaps between the rows hold NaN: what reads them shows.
std::vector<float> rows_with_gaps(Random& random, std::int64_t rows, std::int64_t columns, std::int64_t gap) {
  std::vector<float> x;
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto row = random.floats(columns);
    x.insert(x.end(), row.begin(), row.end());
    x.insert(x.end(), static_cast<std::size_t>(gap), NAN);
  }
  return x;
}

Data make(const Job& j, std::int64_t out_rows, Random& random) {
  const ConvShape& s = j.shape;
  Data d{rows_with_gaps(random, j.frames, s.in_channels, j.gap),
         random.floats(s.in_channels * s.out_channels / s.groups * s.kernel),
         random.floats(j.bias ? s.out_channels : 0), random.floats(s.out_channels),
         random.floats(out_rows * s.out_channels)};
  for (float& v : d.w) v = stored(j.storage, v);
  return d;
}

// y[t] = bias + sum over (tap, channel) of x[t * stride + tap * dilation] w; a group sees its own channels.
std::vector<float> conv_rule(const Job& j, const Data& d) {
  const ConvShape& s = j.shape;
  const std::int64_t in = s.in_channels / s.groups;
  std::vector<float> out;
  for (std::int64_t t = 0; t < s.output_frames(j.frames); ++t) {
    for (std::int64_t o = 0; o < s.out_channels; ++o) {
      const std::int64_t first = o / (s.out_channels / s.groups) * in;
      const auto x = [&](std::int64_t k) {
        return d.x[(t * s.stride + k / in * s.dilation) * (s.in_channels + j.gap) + first + k % in];
      };
      float y = dot(s.kernel * in, x, [&](std::int64_t k) { return d.w[(o * in + k % in) * s.kernel + k / in]; });
      if (j.bias) y = y + d.bias[o];
      y = rules::activation(j.activation, y);
      if (j.scale) y = y * d.scale[o];
      if (j.residual) y = y + d.residual[t * s.out_channels + o];
      out.push_back(y);
    }
  }
  return out;
}

// y[q * stride + phase] = bias + sum over taps j of x[q + j] w[phase + (taps - 1 - j) * stride], zero past the kernel.
std::vector<float> transpose_rule(const Job& j, const Data& d) {
  const ConvShape& s = j.shape;
  const std::int64_t in = s.in_channels / s.groups;
  const std::int64_t out_of_group = s.out_channels / s.groups;
  std::vector<float> out;
  for (std::int64_t t = 0; t < std::max<std::int64_t>(0, j.frames - s.taps() + 1) * s.stride; ++t) {
    for (std::int64_t o = 0; o < s.out_channels; ++o) {
      const std::int64_t first = o / out_of_group * in;
      const auto x = [&](std::int64_t k) {
        return d.x[(t / s.stride + k / in) * (s.in_channels + j.gap) + first + k % in];
      };
      const auto w = [&](std::int64_t k) {
        const std::int64_t at = t % s.stride + (s.taps() - 1 - k / in) * s.stride;
        return at < s.kernel ? d.w[((first + k % in) * out_of_group + o % out_of_group) * s.kernel + at] : 0.0F;
      };
      const float y = dot(s.taps() * in, x, w);
      out.push_back(rules::activation(j.activation, j.bias ? y + d.bias[o] : y));
    }
  }
  return out;
}

std::string name(const char* operation, const Job& j) {
  const ConvShape& s = j.shape;
  return operation + to_string({j.frames, s.in_channels, s.out_channels}) + " kernel " + std::to_string(s.kernel) +
         " stride " + std::to_string(s.stride) + " dilation " + std::to_string(s.dilation) + " groups " +
         std::to_string(s.groups) + " " + name_of(j.storage);
}

double flops(const Job& j, std::int64_t out_rows, std::int64_t taps) {
  const ConvShape& s = j.shape;
  return 2.0 * static_cast<double>(out_rows * s.out_channels * taps * (s.in_channels / s.groups));
}

ConstMatrix input_rows(Probe& p, const Job& j, const Data& d) {
  return {p.input(d.x), j.frames, j.shape.in_channels, j.shape.in_channels + j.gap};
}

void check_conv(const Job& j, Random& random) {
  const ConvShape& s = j.shape;
  const std::int64_t rows = s.output_frames(j.frames);
  const Data d = make(j, rows, random);
  expect_bits(name("conv1d ", j), conv_rule(j, d), [&](Probe& p) {
    const ConstMatrix x = input_rows(p, j, d);
    auto conv = std::make_shared<PackedConv>(pack_conv1d(p.context(), d.w, d.bias, s, j.storage));
    Epilogue e;
    e.activation = j.activation;
    if (j.scale) e.scale = p.input(d.scale);
    if (j.residual) e.residual = p.input(d.residual, rows, s.out_channels);
    const Matrix out = p.output(rows, s.out_channels, s.out_channels + j.gap);
    return Prepared{[=, &p] { conv1d(p.context(), x, *conv, e, out); }, out, flops(j, rows, s.kernel)};
  });
}

void check_transpose(const Job& j, Random& random) {
  const ConvShape& s = j.shape;
  const std::int64_t rows = std::max<std::int64_t>(0, j.frames - s.taps() + 1) * s.stride;
  const Data d = make(j, rows, random);
  expect_bits(name("conv_transpose1d ", j), transpose_rule(j, d), [&](Probe& p) {
    const ConstMatrix x = input_rows(p, j, d);
    auto conv = std::make_shared<PackedConv>(pack_conv_transpose1d(p.context(), d.w, d.bias, s, j.storage));
    const Matrix out = p.output(rows, s.out_channels);
    return Prepared{[=, &p] { conv_transpose1d(p.context(), x, *conv, j.activation, out); }, out,
                    flops(j, rows, s.taps())};
  });
}

// One group, a few, or one a channel.
Job random_job(Random& random) {
  Job j{};
  ConvShape& s = j.shape;
  const std::int64_t kind = random.integer(0, 3);
  s.groups = kind < 2 ? 1 : random.integer(1, kind == 2 ? 5 : 40);
  s.in_channels = s.groups * (kind == 3 ? 1 : random.extent(33, false));
  s.out_channels = s.groups * (kind == 3 ? 1 : random.extent(33, false));
  s.kernel = random.integer(1, 11);
  s.stride = random.integer(1, 7);
  j.gap = random.coin() ? 0 : random.integer(1, 5);
  j.storage = static_cast<DType>(random.integer(0, 2));
  j.activation = static_cast<Activation>(random.integer(0, 7));
  j.bias = random.coin();
  return j;
}

TEST(Conv1d, EveryBackendFollowsTheRule) {
  Random random(31);
  for (int i = 0; i < tries(100); ++i) {
    Job j = random_job(random);
    j.shape.dilation = random.coin() ? 1 : random.integer(2, 9);
    const bool depthwise =
        j.shape.groups > 1 && j.shape.in_channels == j.shape.groups && j.shape.out_channels == j.shape.groups;
    j.scale = !depthwise && random.coin();
    j.residual = !depthwise && random.coin();
    j.frames = i % 10 == 0 ? random.integer(0, j.shape.extent()) : j.shape.extent() + random.extent(60);
    check_conv(j, random);
  }
}

TEST(Conv1d, LongKernelsAndManyRows) {
  Random random(32);
  check_conv({{70, 66, 7, 1, 3, 1}, 400, 0, DType::f32, Activation::elu, true, true, true}, random);
  check_conv({{1, 9, 1030, 10, 1, 1}, 3000, 0, DType::f32, Activation::none, true, false, false}, random);
  check_conv({{30, 30, 301, 1, 2, 30}, 700, 2, DType::f32, Activation::gelu, true, false, false}, random);
}

TEST(ConvTranspose1d, EveryBackendFollowsTheRule) {
  Random random(33);
  for (int i = 0; i < tries(100); ++i) {
    Job j = random_job(random);
    j.frames = i % 10 == 0 ? random.integer(0, j.shape.taps()) : j.shape.taps() - 1 + random.extent(40);
    check_transpose(j, random);
  }
}

TEST(ConvTranspose1d, LongKernelsAndManyRows) {
  Random random(34);
  check_transpose({{64, 40, 16, 8, 1, 1}, 150, 0, DType::f32, Activation::elu, true, false, false}, random);
  check_transpose({{130, 1, 64, 16, 1, 1}, 90, 3, DType::f32, Activation::none, false, false, false}, random);
  check_transpose({{24, 36, 10, 3, 1, 6}, 200, 0, DType::bf16, Activation::tanh, true, false, false}, random);
  check_transpose({{5, 5, 601, 2, 1, 5}, 350, 0, DType::f32, Activation::none, true, false, false}, random);
}

std::int64_t source_rule(std::int64_t i, std::int64_t frames, PadMode mode) {
  if (mode == PadMode::zeros) return i < 0 || i >= frames ? -1 : i;
  if (mode == PadMode::replicate) return std::clamp<std::int64_t>(i, 0, frames - 1);
  return i < 0 ? -i : i >= frames ? 2 * frames - 2 - i : i;
}

TEST(PadFrames, EveryBackendFollowsTheRule) {
  Random random(35);
  for (int i = 0; i < tries(60); ++i) {
    const auto mode = static_cast<PadMode>(i % 3);
    const std::int64_t frames = random.extent(40, mode == PadMode::zeros);
    const std::int64_t most = mode == PadMode::reflect ? frames - 1 : 20;
    const std::int64_t left = random.integer(0, most);
    const std::int64_t right = random.integer(0, most);
    const std::int64_t columns = random.extent(70);
    const std::int64_t gap = random.integer(0, 3);
    const auto x = rows_with_gaps(random, frames, columns, gap);
    std::vector<float> expected;
    for (std::int64_t r = -left; r < frames + right; ++r) {
      const std::int64_t from = source_rule(r, frames, mode);
      for (std::int64_t c = 0; c < columns; ++c) expected.push_back(from < 0 ? 0.0F : x[from * (columns + gap) + c]);
    }
    expect_bits("pad_frames " + to_string({left, frames, right, columns}), expected, [&](Probe& p) {
      const ConstMatrix in(p.input(x), frames, columns, columns + gap);
      const Matrix out = p.output(left + frames + right, columns, columns + i % 4);
      return Prepared{[=, &p] { pad_frames(p.context(), in, left, right, mode, out); }, out};
    });
  }
}

TEST(PadFrames, RefusesWhatCannotBePadded) {
  Context context;
  const Tensor x = context.allocate({3, 2});
  const Tensor out = context.allocate({6, 2});
  EXPECT_THROW(pad_frames(context, x, 3, 0, PadMode::reflect, out), ArgumentError);
  EXPECT_THROW(pad_frames(context, x, 0, 3, PadMode::reflect, out), ArgumentError);
  EXPECT_THROW(pad_frames(context, x, 1, 1, PadMode::zeros, out), ArgumentError);
  EXPECT_THROW(pad_frames(context, context.allocate({0, 2}), 3, 3, PadMode::replicate, out), ArgumentError);
  EXPECT_THROW(pad_frames(context, x, -1, 4, PadMode::zeros, out), ArgumentError);
}

TEST(Conv1d, RefusesShapesThatDisagree) {
  Context context;
  const std::vector<float> w(24);
  const ConvShape shape{4, 2, 3, 1, 1, 1};
  const auto pack = [&](const ConvShape& s, std::size_t bias) {
    return pack_conv1d(context, w, std::vector<float>(bias), s);
  };
  EXPECT_THROW((void)pack({4, 2, 4, 1, 1, 1}, 0), ArgumentError);
  EXPECT_THROW((void)pack(shape, 3), ArgumentError);
  EXPECT_THROW((void)pack({4, 2, 3, 0, 1, 1}, 0), ArgumentError);
  EXPECT_THROW((void)pack({4, 6, 3, 1, 1, 3}, 0), ArgumentError);
  EXPECT_THROW((void)pack({-4, -2, 3, 1, 1, 1}, 0), ArgumentError);
  const PackedConv conv = pack(shape, 2);
  const Tensor x = context.allocate({9, 4});
  const Tensor out = context.allocate({7, 2});
  const Tensor narrow = context.allocate({7, 1});
  Epilogue biased;
  biased.bias = conv.bias.data();
  EXPECT_THROW(conv1d(context, x, conv, biased, out), ArgumentError);
  EXPECT_THROW(conv1d(context, x, conv, {}, narrow), ArgumentError);
  EXPECT_THROW(conv1d(context, out, conv, {}, out), ArgumentError);
  EXPECT_NO_THROW(conv1d(context, x, conv, {}, out));
}

TEST(ConvTranspose1d, RefusesShapesThatDisagree) {
  Context context;
  const std::vector<float> w(24);
  EXPECT_THROW((void)pack_conv_transpose1d(context, w, {}, {4, 2, 3, 1, 2, 1}), ArgumentError);
  const PackedConv conv = pack_conv_transpose1d(context, w, {}, {4, 2, 3, 2, 1, 1});
  const Tensor x = context.allocate({5, 4});
  const Tensor out = context.allocate({8, 2});
  EXPECT_NO_THROW(conv_transpose1d(context, x, conv, Activation::none, out));
  EXPECT_THROW(conv_transpose1d(context, out, conv, Activation::none, out), ArgumentError);
  const Tensor wide = context.allocate({8, 3});
  EXPECT_THROW(conv_transpose1d(context, x, conv, Activation::none, Matrix(wide.data(), 8, 2, 3)), ArgumentError);
}

TEST(Conv1d, Speed) {
  if (!benchmarking()) return;
  Random random(36);
  check_conv({{64, 32, 3, 1, 1, 1}, 24000, 0, DType::f32, Activation::elu, true, false, false}, random);
  check_conv({{256, 512, 16, 8, 1, 1}, 1000, 0, DType::f32, Activation::none, true, false, false}, random);
  check_conv({{32, 64, 7, 1, 4, 1}, 24000, 0, DType::f32, Activation::none, true, false, false}, random);
  check_transpose({{256, 128, 12, 6, 1, 1}, 2000, 0, DType::f32, Activation::none, true, false, false}, random);
  check_transpose({{512, 512, 4, 2, 1, 512}, 2000, 0, DType::f32, Activation::none, false, false, false}, random);
}

}  // namespace
}  // namespace tessera::harness
