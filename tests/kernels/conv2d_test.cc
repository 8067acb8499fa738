#include "kernels/conv2d.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/error.h"
#include "kernels/norm.h"
#include "tests/kernels/harness.h"
#include "tests/kernels/rules.h"

namespace tessera::harness {
namespace {

struct Job {
  Conv2dShape shape;
  std::int64_t rows, columns;
  std::int64_t gap;    // floats behind each row of the input
  std::int64_t extra;  // pixels behind each row of the output, more than it needs
  std::int64_t enlarge;
  std::int64_t gain;  // the input is so many times as large as the maps of a spatial norm; 0: none
  Activation before, after;
  bool norm, bias, residual;
};

struct Data {
  std::vector<float> x, w, bias, moments, norm_weight, norm_bias, gain, shift, residual;
};

std::int64_t out_rows(const Job& j) { return j.shape.output_rows(j.rows * j.enlarge); }
std::int64_t out_columns(const Job& j) { return j.shape.output_columns(j.columns * j.enlarge); }
std::int64_t pitch(const Job& j) { return j.shape.least_pitch(j.columns * j.enlarge) + j.extra; }

Data make(const Job& j, Random& random) {
  const std::int64_t in = j.shape.in_channels;
  const std::int64_t maps = j.gain == 0 ? 0 : j.rows / j.gain * (j.columns / j.gain) * in;
  Data d;
  for (std::int64_t r = 0; r < j.rows; ++r) {
    const auto row = random.floats(j.columns * in);
    d.x.insert(d.x.end(), row.begin(), row.end());
    d.x.insert(d.x.end(), static_cast<std::size_t>(j.gap), NAN);
  }
  d.w = random.floats(j.shape.out_channels * in * j.shape.kernel * j.shape.kernel);
  d.bias = random.floats(j.bias ? j.shape.out_channels : 0);
  d.moments = random.floats(2 * in), d.norm_weight = random.floats(in), d.norm_bias = random.floats(in);
  d.gain = random.floats(maps), d.shift = random.floats(maps);
  d.residual = random.floats(out_rows(j) * pitch(j) * j.shape.out_channels);
  return d;
}

// What the convolution sees at a pixel of the enlarged and padded input.
float seen(const Job& j, const Data& d, std::int64_t row, std::int64_t column, std::int64_t c) {
  if (row < 0 || row >= j.rows * j.enlarge || column < 0 || column >= j.columns * j.enlarge) return 0.0F;
  const std::int64_t in = j.shape.in_channels;
  row /= j.enlarge, column /= j.enlarge;
  float y = d.x[row * (j.columns * in + j.gap) + column * in + c];
  if (j.norm) y = std::fma((y - d.moments[c]) * d.moments[in + c], d.norm_weight[c], d.norm_bias[c]);
  if (j.gain != 0) {
    const std::int64_t at = (row / j.gain * (j.columns / j.gain) + column / j.gain) * in + c;
    y = std::fma(y, d.gain[at], d.shift[at]);
  }
  return rules::activation(j.before, y);
}

std::vector<float> rule(const Job& j, const Data& d) {
  const Conv2dShape& s = j.shape;
  std::vector<float> out;
  for (std::int64_t i = 0; i < out_rows(j) * out_columns(j) * s.out_channels; ++i) {
    const std::int64_t o = i % s.out_channels;
    const std::int64_t column = i / s.out_channels % out_columns(j);
    const std::int64_t row = i / s.out_channels / out_columns(j);
    const auto x = [&](std::int64_t k) {
      const std::int64_t tap = k / s.in_channels;
      return seen(j, d, row * s.stride + tap / s.kernel - s.top, column * s.stride + tap % s.kernel - s.left,
                  k % s.in_channels);
    };
    const auto w = [&](std::int64_t k) {
      return d.w[(o * s.in_channels + k % s.in_channels) * s.kernel * s.kernel + k / s.in_channels];
    };
    float y = dot(s.kernel * s.kernel * s.in_channels, x, w);
    if (j.bias) y = y + d.bias[o];
    y = rules::activation(j.after, y);
    out.push_back(j.residual ? y + d.residual[(row * pitch(j) + column) * s.out_channels + o] : y);
  }
  return out;
}

ConstPicture map_of(Probe& p, const Job& j, const std::vector<float>& values) {
  const std::int64_t columns = j.columns / j.gain;
  return {p.input(values), j.rows / j.gain, columns, j.shape.in_channels, columns * j.shape.in_channels};
}

Conv2dInput input_of(Probe& p, const Job& j, const Data& d) {
  const std::int64_t in = j.shape.in_channels;
  Conv2dInput input;
  input.x = {p.input(d.x), j.rows, j.columns, in, j.columns * in + j.gap};
  input.activation = j.before;
  input.enlarge = j.enlarge;
  if (j.norm)
    input.moments = p.input(d.moments), input.weight = p.input(d.norm_weight), input.bias = p.input(d.norm_bias);
  if (j.gain != 0) input.gain = map_of(p, j, d.gain), input.shift = map_of(p, j, d.shift);
  return input;
}

// The pixels of a picture whose rows have others behind them, as one matrix.
struct Compact {
  Tensor pixels;
  void take(Context& context, ConstPicture x) const {
    const std::size_t bytes = static_cast<std::size_t>(x.columns * x.channels) * sizeof(float);
    for (std::int64_t r = 0; r < x.rows; ++r) {
      context.copy(reinterpret_cast<const std::byte*>(x.row(r).data),
                   pixels.bytes() + static_cast<std::size_t>(r) * bytes, bytes);
    }
  }
};

void check(const Job& j, Random& random) {
  const Conv2dShape& s = j.shape;
  const Data d = make(j, random);
  const std::int64_t rows = out_rows(j);
  const std::int64_t columns = out_columns(j);
  const std::string name = "conv2d " + to_string({j.rows, j.columns, s.in_channels, s.out_channels}) + " kernel " +
                           std::to_string(s.kernel) + " stride " + std::to_string(s.stride) + " enlarge " +
                           std::to_string(j.enlarge) + (j.norm ? " norm" : "");
  expect_bits(name, rule(j, d), [&](Probe& p) {
    const Conv2dInput input = input_of(p, j, d);
    auto conv = std::make_shared<PackedConv2d>(pack_conv2d(p.context(), d.w, d.bias, s));
    const std::int64_t step = pitch(j) * s.out_channels;
    const Matrix written = p.output(std::max<std::int64_t>(0, rows * pitch(j) - pitch(j) + columns), s.out_channels);
    const Picture out{written.data, rows, columns, s.out_channels, step};
    Conv2dEpilogue e;
    e.activation = j.after;
    if (j.residual) e.residual = {p.input(d.residual), rows, columns, s.out_channels, step};
    auto compact = std::make_shared<Compact>(Compact{p.context().allocate({rows * columns, s.out_channels})});
    const double flops =
        2.0 * static_cast<double>(rows * columns * s.out_channels * s.kernel * s.kernel * s.in_channels);
    return Prepared{[=, &p] {
                      conv2d(p.context(), input, *conv, e, out);
                      compact->take(p.context(), out);
                    },
                    compact->pixels, flops};
  });
}

Job random_job(Random& random) {
  Job j{};
  Conv2dShape& s = j.shape;
  s = {random.integer(1, 40), random.integer(1, 40), random.integer(1, 4), random.integer(1, 3),
       random.integer(0, 2),  random.integer(0, 2),  random.integer(0, 2), random.integer(0, 2)};
  j.enlarge = random.coin() ? 1 : random.integer(2, 3);
  j.gain = random.coin() ? 0 : random.integer(1, 3);
  j.rows = random.integer(1, 6) * std::max<std::int64_t>(1, j.gain);
  j.columns = random.integer(1, 6) * std::max<std::int64_t>(1, j.gain);
  j.gap = random.coin() ? 0 : random.integer(1, 9);
  j.extra = random.coin() ? 0 : random.integer(1, 2);
  j.before = random.coin() ? Activation::none : Activation::silu;
  j.after = static_cast<Activation>(random.integer(0, 7));
  j.norm = random.coin(), j.bias = random.coin(), j.residual = random.coin();
  return j;
}

TEST(Conv2d, EveryBackendFollowsTheRule) {
  Random random(41);
  for (int i = 0; i < tries(90); ++i) check(random_job(random), random);
}

// The shapes of image codecs: 3 x 3 with pads of 1, taming's down-sampling, enlargement before 3 x 3, 1 x 1 in place.
TEST(Conv2d, ShapesOfImageCodecs) {
  Random random(42);
  const Conv2dShape same{32, 48, 3, 1, 1, 1, 1, 1};
  const Conv2dShape down{33, 33, 3, 2, 0, 0, 1, 1};
  for (const std::int64_t columns : {1, 7, 16}) {
    check({same, 9, columns, 32, 0, 1, 0, Activation::silu, Activation::none, true, true, true}, random);
    check({down, 9, columns + 1, 33, 0, 1, 0, Activation::none, Activation::none, false, true, false}, random);
    check({same, 5, columns, 32, 0, 2, 0, Activation::none, Activation::none, false, true, false}, random);
    check({same, 5, columns, 0, 0, 1, 1, Activation::silu, Activation::none, true, true, false}, random);
    check({{70, 20, 1}, 4, columns, 70, 1, 1, 0, Activation::none, Activation::none, false, true, true}, random);
  }
  EXPECT_EQ(same.least_pitch(16), 17);
  EXPECT_EQ(down.least_pitch(16), 9);
}

TEST(Conv2d, Speed) {
  if (!benchmarking()) return;
  Random random(43);
  const Conv2dShape same{128, 128, 3, 1, 1, 1, 1, 1};
  check({same, 24, 24, 0, 0, 1, 0, Activation::none, Activation::none, false, true, false}, random);
  check({same, 24, 24, 0, 0, 1, 0, Activation::silu, Activation::none, true, true, true}, random);
  check({{256, 256, 3, 1, 1, 1, 1, 1}, 12, 12, 0, 0, 1, 0, {}, {}, false, true, false}, random);
  check({{128, 128, 3, 2, 0, 0, 1, 1}, 48, 48, 0, 0, 1, 0, {}, {}, false, true, false}, random);
}

TEST(Conv2d, RefusesShapesThatDisagree) {
  Context context;
  const std::vector<float> w(2 * 3 * 9);
  const Conv2dShape shape{3, 2, 3, 1, 1, 1, 1, 1};
  EXPECT_THROW((void)pack_conv2d(context, w, std::vector<float>(3), shape), ArgumentError);
  EXPECT_THROW((void)pack_conv2d(context, w, {}, {3, 2, 2}), ArgumentError);
  EXPECT_THROW((void)pack_conv2d(context, w, {}, {3, 2, 3, 0}), ArgumentError);
  EXPECT_THROW((void)pack_conv2d(context, w, {}, {3, 2, 3, 1, -1}), ArgumentError);
  const PackedConv2d conv = pack_conv2d(context, w, {}, shape);
  const PictureTensor x(context, 4, 6, 3);
  const PictureTensor out(context, 4, 6, 2);
  const PictureTensor other(context, 4, 5, 2);
  Picture close = out;
  close.row_step = 12;
  Conv2dInput input(x);
  EXPECT_NO_THROW(conv2d(context, input, conv, {}, out));
  EXPECT_THROW(conv2d(context, input, conv, {}, other), ArgumentError);
  EXPECT_THROW(conv2d(context, input, conv, {}, close), ArgumentError);
  EXPECT_THROW(conv2d(context, input, conv, {Activation::none, other}, out), ArgumentError);
  EXPECT_THROW(conv2d(context, ConstPicture(out), conv, {}, out), ArgumentError);
  input.gain = input.shift = PictureTensor(context, 2, 4, 3);
  EXPECT_THROW(conv2d(context, input, conv, {}, out), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
