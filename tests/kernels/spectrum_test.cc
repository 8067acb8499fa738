#include "kernels/spectrum.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/arithmetic.h"
#include "kernels/constants.h"
#include "kernels/error.h"
#include "tests/kernels/fixtures.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

using L = scalar::Lanes;
constexpr double kPi = 3.14159265358979323846;

std::vector<float> with_specials(std::vector<float> x) {
  const float specials[] = {NAN, INFINITY, -INFINITY, -0.0F, 1e-42F};
  for (std::size_t i = 0; i < 5 && 3 * i < x.size(); ++i) x[3 * i] = specials[i];
  return x;
}

TEST(Magnitude, EveryBackendFollowsTheRule) {
  Random random(61);
  for (int i = 0; i < tries(30); ++i) {
    const std::int64_t frames = random.extent(50);
    const std::int64_t bins = random.extent(300);
    auto x = random.floats(frames * 2 * bins);
    if (i % 3 == 0) x = with_specials(x);
    std::vector<float> expected;
    for (std::int64_t at = 0; at < frames * bins; ++at) {
      const float re = x[at / bins * 2 * bins + at % bins];
      const float im = x[at / bins * 2 * bins + bins + at % bins];
      expected.push_back(std::sqrt(std::fma(re, re, im * im)));
    }
    expect_bits("magnitude " + to_string({frames, bins}), expected, [&](Probe& p) {
      const ConstMatrix in = p.input(x, frames, 2 * bins);
      const Matrix out = p.output(frames, bins, bins + 1);
      return Prepared{[=, &p] { magnitude(p.context(), in, out); }, out};
    });
  }
}

TEST(LogClamped, EveryBackendFollowsTheRule) {
  Random random(62);
  for (int i = 0; i < tries(30); ++i) {
    const std::int64_t rows = random.extent(50);
    const std::int64_t columns = random.extent(300);
    const float floor = i % 2 == 0 ? 1e-7F : 0.5F;
    auto x = random.floats(rows * columns);
    if (i % 3 == 0) x = with_specials(x);
    std::vector<float> expected;
    for (const float v : x) expected.push_back(scalar::log<L>(v < floor ? floor : v));
    expect_bits("log_clamped " + to_string({rows, columns}), expected, [&](Probe& p) {
      const Matrix out = i % 4 == 0 ? p.in_place(x, rows, columns) : p.output(rows, columns, columns + 2);
      const ConstMatrix in = i % 4 == 0 ? ConstMatrix(out) : p.input(x, rows, columns);
      return Prepared{[=, &p] { log_clamped(p.context(), in, floor, out); }, out};
    });
  }
}

TEST(SpectrumFromPolar, EveryBackendFollowsTheRule) {
  Random random(63);
  for (int i = 0; i < tries(30); ++i) {
    const std::int64_t frames = random.extent(50);
    const std::int64_t bins = random.extent(200);
    auto x = random.floats(frames * 2 * bins, 4.0F);
    if (i % 3 == 0) x = with_specials(x);
    std::vector<float> expected(x.size());
    for (std::int64_t at = 0; at < frames * bins; ++at) {
      const std::int64_t re = at / bins * 2 * bins + at % bins;
      const float raw = scalar::exp<L>(x[re]);
      const float m = raw > 100.0F ? 100.0F : raw;
      const auto phase = scalar::sincos<L>(x[re + bins]);
      expected[re] = m * phase.cos;
      expected[re + bins] = m * phase.sin;
    }
    expect_bits("spectrum_from_polar " + to_string({frames, bins}), expected, [&](Probe& p) {
      const ConstMatrix in = p.input(x, frames, 2 * bins);
      const Matrix out = p.output(frames, 2 * bins, 2 * bins + 3);
      return Prepared{[=, &p] { spectrum_from_polar(p.context(), in, 100.0F, out); }, out};
    });
  }
}

TEST(HannWindow, IsPeriodicAndCentred) {
  for (const std::int64_t length : {1, 2, 7, 400, 960}) {
    const std::vector<float> window = hann_window(length, length + 5);
    ASSERT_EQ(window.size(), static_cast<std::size_t>(length + 5));
    for (std::int64_t i = 0; i < length + 5; ++i) {
      const bool inside = i >= 2 && i < length + 2;
      const double expected = inside ? 0.5 - 0.5 * std::cos(2 * kPi * static_cast<double>(i - 2) / length) : 0;
      EXPECT_NEAR(window[i], expected, 6e-8) << length << ", " << i;
    }
  }
}

// real[b] = sum x[i] w[i] cos(2 pi b i / n), then imaginary[b] = -sum x[i] w[i] sin(2 pi b i / n).
std::vector<float> stft_rule(const std::vector<float>& x, std::int64_t n, std::int64_t hop, std::int64_t frames,
                             const std::vector<float>& window) {
  const std::int64_t bins = n / 2 + 1;
  std::vector<float> out;
  for (std::int64_t t = 0; t < frames; ++t) {
    for (std::int64_t column = 0; column < 2 * bins; ++column) {
      const auto basis = [&](std::int64_t i) {
        const double turn = column < bins ? cos_turns(column * i, n) : -sin_turns((column - bins) * i, n);
        return static_cast<float>(window[i] * turn);
      };
      out.push_back(dot(
          n, [&](std::int64_t i) { return x[t * hop + i]; }, basis));
    }
  }
  return out;
}

TEST(Stft, EveryBackendFollowsTheRule) {
  Random random(64);
  for (int i = 0; i < tries(16); ++i) {
    const std::int64_t n = i == 0 ? 1 : i == 1 ? 2 : random.integer(3, 90);
    const std::int64_t hop = random.integer(1, n + 3);
    const std::int64_t frames = random.extent(20);
    const auto x = random.floats(n + hop * frames);
    const auto window = hann_window(random.integer(1, n), n);
    expect_bits("stft " + to_string({n, hop, frames}), stft_rule(x, n, hop, frames, window), [&](Probe& p) {
      auto packed = std::make_shared<PackedWeights>(pack_stft(p.context(), n, window));
      const ConstMatrix rows(p.input(x), frames, n, hop);
      const Matrix out = p.output(frames, 2 * (n / 2 + 1));
      return Prepared{[=, &p] { product(p.context(), rows, *packed, {}, out); }, out};
    });
  }
}

// The element of irfft's basis that takes `column` of a spectrum to sample i of its frame, windowed.
float inverse_basis(std::int64_t column, std::int64_t i, std::int64_t n, const std::vector<float>& window) {
  const std::int64_t bins = n / 2 + 1;
  const std::int64_t b = column % bins;
  const bool alone = b == 0 || 2 * b == n;
  if (alone && column >= bins) return 0.0F;
  const double turn = column < bins ? cos_turns(b * i, n) : -sin_turns(b * i, n);
  return static_cast<float>((alone ? 1.0 : 2.0) / static_cast<double>(n) * window[i] * turn);
}

TEST(InverseStft, EveryBackendFollowsTheRule) {
  Random random(65);
  for (int i = 0; i < tries(12); ++i) {
    const std::int64_t n = i == 0 ? 1 : i == 1 ? 2 : random.integer(3, 50);
    const std::int64_t hop = random.integer(1, n + 3);
    const std::int64_t taps = (n + hop - 1) / hop;
    const std::int64_t columns = 2 * (n / 2 + 1);
    const std::int64_t steps = random.extent(12);
    const auto x = random.floats((steps + taps - 1) * columns);
    const auto window = hann_window(n, n);
    std::vector<float> expected;
    for (std::int64_t s = 0; s < steps * hop; ++s) {
      const auto basis = [&](std::int64_t k) {
        const std::int64_t at = s % hop + (taps - 1 - k / columns) * hop;
        return at < n ? inverse_basis(k % columns, at, n, window) : 0.0F;
      };
      expected.push_back(dot(
          taps * columns, [&](std::int64_t k) { return x[s / hop * columns + k]; }, basis));
    }
    expect_bits("inverse stft " + to_string({n, hop, steps}), expected, [&](Probe& p) {
      auto packed = std::make_shared<PackedConv>(pack_inverse_stft(p.context(), n, hop, window));
      const ConstMatrix rows = p.input(x, steps + taps - 1, columns);
      const Matrix out = p.output(steps * hop, 1);
      return Prepared{[=, &p] { conv_transpose1d(p.context(), rows, *packed, Activation::none, out); }, out};
    });
  }
}

TEST(WindowEnvelope, IsTheSumOfSquaresUnderOverlapAdd) {
  Random random(66);
  for (int i = 0; i < 200; ++i) {
    const std::int64_t length = random.integer(1, 40);
    const std::int64_t hop = random.integer(1, 50);
    const std::int64_t frames = random.integer(0, 9);
    const std::vector<float> window = random.floats(length);
    std::vector<float> whole(static_cast<std::size_t>(10 * hop + length));
    for (std::int64_t s = 0; s < frames * length; ++s) {
      whole[s / length * hop + s % length] += window[s % length] * window[s % length];
    }
    const std::int64_t count = random.integer(0, static_cast<std::int64_t>(whole.size()));
    const std::int64_t first = random.integer(0, static_cast<std::int64_t>(whole.size()) - count);
    EXPECT_EQ(window_envelope(window, hop, first, count, frames),
              std::vector<float>(whole.begin() + first, whole.begin() + first + count));
    // Before frame `frames` starts, how many follow does not matter.
    const std::int64_t settled = std::min(count, std::max<std::int64_t>(0, frames * hop - first));
    EXPECT_EQ(window_envelope(window, hop, first, settled, -1), window_envelope(window, hop, first, settled, frames));
  }
}

// The inverse of the transform is the input, wherever the window's envelope is not too small.
TEST(Stft, ComesBack) {
  const std::int64_t n = 60;
  const std::int64_t hop = 15;
  const std::int64_t frames = 30;
  Random random(67);
  const auto window = hann_window(n, n);
  const auto x = random.floats((frames - 1) * hop + n);
  expect_near("stft and back", std::vector<float>(x.begin() + n, x.end() - n), from_decibels(120), [&](Context& c) {
    const Tensor wave = on_device(c, x, {static_cast<std::int64_t>(x.size())});
    const PackedConv inverse = pack_inverse_stft(c, n, hop, window);
    const std::int64_t front = inverse.shape.taps() - 1;
    const Tensor spectrum = c.allocate({frames + 2 * front, 2 * (n / 2 + 1)});
    const Matrix middle = spectrum.matrix().slice(front, frames);
    product(c, ConstMatrix(wave.data(), frames, n, hop), pack_stft(c, n, window), {}, middle);
    const Tensor out = c.allocate({(frames + front) * hop, 1});
    conv_transpose1d(c, spectrum, inverse, Activation::none, out);
    std::vector<float> back = on_host(c, out);
    const auto envelope = window_envelope(window, hop, 0, out.size(), frames);
    for (std::size_t i = 0; i < back.size(); ++i) back[i] /= envelope[i];
    return std::vector<float>(back.begin() + n, back.begin() + static_cast<std::int64_t>(x.size()) - n);
  });
}

// Neighbouring triangles add up to one between the second point and the last but one.
TEST(MelFilters, AreTriangles) {
  const std::int64_t bins = 481;
  const auto filters = mel_filters(24000, 960, 40, 100, 11000);
  ASSERT_EQ(filters.size(), static_cast<std::size_t>(40 * bins));
  const auto mel = [](double f) { return 2595 * std::log10(1 + f / 700); };
  const double step = (mel(11000) - mel(100)) / 41;
  for (std::int64_t b = 0; b < bins; ++b) {
    const double f = static_cast<double>(b) * 12000 / static_cast<double>(bins - 1);
    float sum = 0;
    for (std::int64_t m = 0; m < 40; ++m) sum += filters[m * bins + b];
    const double position = (mel(f) - mel(100)) / step;
    if (position > 1.01 && position < 39.99) {
      EXPECT_NEAR(sum, 1, 1e-4) << f;
    } else if (position < -0.01 || position > 41.01) {
      EXPECT_EQ(sum, 0) << f;
    } else {
      EXPECT_GE(sum, 0);
      EXPECT_LE(sum, 1.0001F);
    }
  }
}

TEST(Spectrum, RefusesWhatCannotBe) {
  Context context;
  EXPECT_THROW((void)hann_window(5, 4), ArgumentError);
  EXPECT_THROW((void)hann_window(0, 4), ArgumentError);
  EXPECT_THROW((void)pack_stft(context, 8, hann_window(7, 7)), ArgumentError);
  EXPECT_THROW((void)pack_inverse_stft(context, 8, 0, hann_window(8, 8)), ArgumentError);
  EXPECT_THROW((void)mel_filters(24000, 960, 80, 12000, 0), ArgumentError);
  EXPECT_THROW((void)mel_filters(24000, 960, 0, 0, 12000), ArgumentError);
  EXPECT_THROW((void)window_envelope(hann_window(8, 8), 0, 0, 4, -1), ArgumentError);
  EXPECT_THROW((void)window_envelope(hann_window(8, 8), 2, 0, -1, -1), ArgumentError);
  const Tensor even = context.allocate({3, 6});
  const Tensor odd = context.allocate({3, 5});
  EXPECT_THROW(magnitude(context, odd, odd), ArgumentError);
  EXPECT_THROW(log_clamped(context, even, 1, odd), ArgumentError);
  EXPECT_THROW(spectrum_from_polar(context, odd, 1, odd), ArgumentError);
}

TEST(Spectrum, Speed) {
  if (!benchmarking()) return;
  Random random(68);
  const auto x = random.floats(24000);
  const auto window = hann_window(960, 960);
  expect_bits("stft 960/240, one second", stft_rule(x, 960, 240, 97, window), [&](Probe& p) {
    auto packed = std::make_shared<PackedWeights>(pack_stft(p.context(), 960, window));
    const ConstMatrix rows(p.input(x), 97, 960, 240);
    const Matrix out = p.output(97, 962);
    return Prepared{[=, &p] { product(p.context(), rows, *packed, {}, out); }, out, 2.0 * 97 * 960 * 962};
  });
}

}  // namespace
}  // namespace tessera::harness
