#include "kernels/spectrum.h"

#include <algorithm>
#include <cmath>

#include "kernels/constants.h"
#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/profile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/spectrum.cc"
#include <hwy/foreach_target.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

void magnitude_rows(ConstMatrix spectrum, Matrix out, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    const float* imaginary = spectrum.row(r) + out.columns;
    for (std::int64_t i = 0; i < out.columns; i += 16) {
      const std::int64_t n = std::min<std::int64_t>(16, out.columns - i);
      const Floats re = load_first(spectrum.row(r) + i, n);
      const Floats im = load_first(imaginary + i, n);
      store_first(Lanes::sqrt(Lanes::fma(re, re, Lanes::mul(im, im))), out.row(r) + i, n);
    }
  }
}

void log_rows(ConstMatrix x, float floor, Matrix out, std::int64_t begin, std::int64_t end) {
  const Floats least = Lanes::set(floor);
  for (std::int64_t r = begin; r < end; ++r) {
    map_row(x.row(r), x.columns, out.row(r), [&](const Floats& v) TESSERA_INLINE_LAMBDA {
      return log<Lanes>(Lanes::select(Lanes::less(v, least), least, v));
    });
  }
}

void polar_rows(ConstMatrix x, float most, Matrix out, std::int64_t begin, std::int64_t end) {
  const std::int64_t bins = x.columns / 2;
  const Floats limit = Lanes::set(most);
  for (std::int64_t r = begin; r < end; ++r) {
    for (std::int64_t i = 0; i < bins; i += 16) {
      const std::int64_t n = std::min<std::int64_t>(16, bins - i);
      const Floats raw = exp<Lanes>(load_first(x.row(r) + i, n));
      const Floats m = Lanes::select(Lanes::less(limit, raw), limit, raw);
      const SinCos<Lanes> phase = sincos<Lanes>(load_first(x.row(r) + bins + i, n));
      store_first(Lanes::mul(m, phase.cos), out.row(r) + i, n);
      store_first(Lanes::mul(m, phase.sin), out.row(r) + bins + i, n);
    }
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {

constexpr auto kMagnitudeRows = TESSERA_BUILDS(magnitude_rows);
constexpr auto kLogRows = TESSERA_BUILDS(log_rows);
constexpr auto kPolarRows = TESSERA_BUILDS(polar_rows);

void require(bool holds, const char* what) {
  if (!holds) throw ArgumentError(std::string("spectrum: ") + what);
}

std::int64_t grain(ConstMatrix m) { return std::max<std::int64_t>(1, 8192 / std::max<std::int64_t>(m.columns, 1)); }

// cos_turns(i, n) and sin_turns(i, n) from a table of one turn.
class Turns {
 public:
  explicit Turns(std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      cosines_.push_back(cos_turns(i, n));
      sines_.push_back(sin_turns(i, n));
    }
  }
  [[nodiscard]] double cos(std::int64_t i) const { return cosines_[static_cast<std::size_t>(i) % cosines_.size()]; }
  [[nodiscard]] double sin(std::int64_t i) const { return sines_[static_cast<std::size_t>(i) % sines_.size()]; }

 private:
  std::vector<double> cosines_;
  std::vector<double> sines_;
};

float to_mel(double hertz) { return static_cast<float>(2595.0 * exact_log(1.0 + hertz / 700.0) / exact_log(10.0)); }

// torch.linspace in float32: from both ends towards the middle.
std::vector<float> linspace(float from, float to, std::int64_t count) {
  std::vector<float> points(static_cast<std::size_t>(count), from);
  const float step = count > 1 ? (to - from) / static_cast<float>(count - 1) : 0.0F;
  for (std::int64_t i = 0; i < count; ++i) {
    points[i] = i < count / 2 ? from + step * static_cast<float>(i) : to - step * static_cast<float>(count - 1 - i);
  }
  return points;
}

}  // namespace

std::vector<float> hann_window(std::int64_t length, std::int64_t n_fft) {
  require(length > 0 && length <= n_fft, "the window must be at least 1 and at most n_fft long");
  std::vector<float> window(static_cast<std::size_t>(n_fft), 0.0F);
  const std::int64_t left = (n_fft - length) / 2;
  for (std::int64_t i = 0; i < length; ++i) window[left + i] = static_cast<float>(0.5 - 0.5 * cos_turns(i, length));
  return window;
}

PackedWeights pack_stft(Context& context, std::int64_t n_fft, const std::vector<float>& window) {
  require(n_fft > 0 && static_cast<std::int64_t>(window.size()) == n_fft, "the window must be n_fft long");
  const Turns turns(n_fft);
  const std::int64_t bins = n_fft / 2 + 1;
  std::vector<float> basis(static_cast<std::size_t>(2 * bins * n_fft));
  for (std::int64_t b = 0; b < bins; ++b) {
    for (std::int64_t i = 0; i < n_fft; ++i) {
      basis[b * n_fft + i] = static_cast<float>(window[i] * turns.cos(b * i));
      basis[(bins + b) * n_fft + i] = static_cast<float>(-window[i] * turns.sin(b * i));
    }
  }
  return pack_weights(context, {basis.data(), 2 * bins, n_fft});
}

PackedConv pack_inverse_stft(Context& context, std::int64_t n_fft, std::int64_t hop, const std::vector<float>& window) {
  require(n_fft > 0 && hop > 0 && static_cast<std::int64_t>(window.size()) == n_fft, "the window must be n_fft long");
  const Turns turns(n_fft);
  const std::int64_t bins = n_fft / 2 + 1;
  std::vector<float> basis(static_cast<std::size_t>(2 * bins * n_fft));
  for (std::int64_t b = 0; b < bins; ++b) {
    // The first bin, and the last of an even n_fft, stand for themselves; the others for their mirror too.
    const bool single = b == 0 || 2 * b == n_fft;
    const double weight = (single ? 1.0 : 2.0) / static_cast<double>(n_fft);
    for (std::int64_t i = 0; i < n_fft; ++i) {
      basis[b * n_fft + i] = static_cast<float>(weight * window[i] * turns.cos(b * i));
      basis[(bins + b) * n_fft + i] = single ? 0.0F : static_cast<float>(-weight * window[i] * turns.sin(b * i));
    }
  }
  ConvShape shape;
  shape.in_channels = 2 * bins;
  shape.out_channels = 1;
  shape.kernel = n_fft;
  shape.stride = hop;
  return pack_conv_transpose1d(context, basis, {}, shape);
}

std::vector<float> mel_filters(int sample_rate, std::int64_t n_fft, std::int64_t n_mels, double f_min, double f_max) {
  require(n_mels > 0 && n_fft > 1 && f_min >= 0 && f_max > f_min, "mel filters need 0 <= f_min < f_max");
  const std::int64_t bins = n_fft / 2 + 1;
  const std::vector<float> frequency = linspace(0.0F, static_cast<float>(sample_rate / 2), bins);
  std::vector<float> edge = linspace(to_mel(f_min), to_mel(f_max), n_mels + 2);
  for (float& m : edge) {
    m = 700.0F * (static_cast<float>(exact_pow(10.0, m / 2595.0F)) - 1.0F);
  }
  std::vector<float> filters(static_cast<std::size_t>(n_mels * bins));
  for (std::int64_t m = 0; m < n_mels; ++m) {
    for (std::int64_t b = 0; b < bins; ++b) {
      const float up = (frequency[b] - edge[m]) / (edge[m + 1] - edge[m]);
      const float down = (edge[m + 2] - frequency[b]) / (edge[m + 2] - edge[m + 1]);
      filters[m * bins + b] = std::max(0.0F, std::min(up, down));
    }
  }
  return filters;
}

void magnitude(Context& context, ConstMatrix spectrum, Matrix out) {
  require(spectrum.rows == out.rows && spectrum.columns == 2 * out.columns,
          "magnitude: the output has half the columns");
  const Timed timed(context, "spectrum");
  if (context.device().is_cuda()) return cuda::magnitude(spectrum, out);
  context.parallel_for(out.rows, grain(out), [&, rows = build_for(context, kMagnitudeRows)](auto begin, auto end) {
    rows(spectrum, out, begin, end);
  });
}

void log_clamped(Context& context, ConstMatrix x, float floor, Matrix out) {
  require(x.rows == out.rows && x.columns == out.columns, "log_clamped: shapes differ");
  const Timed timed(context, "spectrum");
  if (context.device().is_cuda()) return cuda::log_clamped(x, floor, out);
  context.parallel_for(out.rows, grain(out), [&, rows = build_for(context, kLogRows)](auto begin, auto end) {
    rows(x, floor, out, begin, end);
  });
}

void spectrum_from_polar(Context& context, ConstMatrix x, float most, Matrix out) {
  require(x.rows == out.rows && x.columns == out.columns && x.columns % 2 == 0, "spectrum_from_polar: shapes differ");
  const Timed timed(context, "spectrum");
  if (context.device().is_cuda()) return cuda::spectrum_from_polar(x, most, out);
  context.parallel_for(out.rows, grain(out), [&, rows = build_for(context, kPolarRows)](auto begin, auto end) {
    rows(x, most, out, begin, end);
  });
}

std::vector<float> window_envelope(const std::vector<float>& window, std::int64_t hop, std::int64_t first,
                                   std::int64_t count, std::int64_t frames) {
  require(hop > 0 && count >= 0, "an envelope needs a positive hop and no negative count");
  const auto length = static_cast<std::int64_t>(window.size());
  std::vector<float> envelope(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t sample = first + i;
    std::int64_t frame = std::max<std::int64_t>(0, (sample - length + hop) / hop);
    float sum = 0.0F;
    for (; frame * hop <= sample && (frames < 0 || frame < frames); ++frame) {
      const float w = window[sample - frame * hop];
      sum += w * w;
    }
    envelope[i] = sum;
  }
  return envelope;
}

}  // namespace tessera
#endif
