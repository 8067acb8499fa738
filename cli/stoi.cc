#include "cli/stoi.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/constants.h"

namespace tessera::cli {
namespace {

constexpr int kRate = 10000;
constexpr std::int64_t kFrame = 256;
constexpr std::int64_t kHop = 128;
constexpr std::int64_t kTransform = 512;
constexpr std::int64_t kStretch = 30;
constexpr std::int64_t kBands = StoiTables::kBands;
constexpr double kLowest = 150;                           // Hz, the middle of band 0
constexpr double kEpsilon = 2.220446049250313e-16;        // as the package adds it
constexpr double kQuieter = 100;                          // 40 dB
constexpr double kMostGain = 1 + 5.62341325190349080395;  // 1 + 10^(15/20)
constexpr std::size_t kPart = std::size_t{600} * kRate;
constexpr std::int64_t kStoiBlockFrames = 1024;

/// Hann without its zeros at both ends.
double window(std::int64_t i) { return 0.5 - 0.5 * cos_turns(i + 1, kFrame + 1); }

/// The bins nearest to the borders between bands.
std::array<std::int64_t, kBands + 1> band_edges() {
  std::array<std::int64_t, kBands + 1> edges;
  for (std::int64_t band = 0; band <= kBands; ++band) {
    const double hertz = kLowest * exact_pow(2, static_cast<double>(2 * band - 1) / 6);
    edges[static_cast<std::size_t>(band)] = std::llround(hertz * kTransform / kRate);
  }
  return edges;
}

/// Rows: the real parts of bins first ... end - 1, then their imaginary parts.
PackedWeights pack_transform(Context& context, std::int64_t first, std::int64_t end) {
  const std::int64_t bins = end - first;
  std::vector<float> basis;
  basis.reserve(static_cast<std::size_t>(2 * bins * kFrame));
  for (const bool imaginary : {false, true}) {
    for (std::int64_t bin = first; bin < end; ++bin) {
      for (std::int64_t i = 0; i < kFrame; ++i) {
        const double wave = imaginary ? -sin_turns(bin * i, kTransform) : cos_turns(bin * i, kTransform);
        basis.push_back(static_cast<float>(window(i) * wave));
      }
    }
  }
  return pack_weights(context, {basis.data(), 2 * bins, kFrame});
}

/// The package leaves out a frame that would end with the last sample.
std::int64_t frame_count(std::int64_t samples) {
  return std::max<std::int64_t>(0, (samples - kFrame + kHop - 1) / kHop);
}

std::vector<float> windowed(const float* samples) {
  std::vector<float> frame(kFrame);
  static const std::vector<double> weights = [] {
    std::vector<double> all(kFrame);
    for (std::int64_t i = 0; i < kFrame; ++i) all[static_cast<std::size_t>(i)] = window(i);
    return all;
  }();
  for (std::size_t i = 0; i < frame.size(); ++i) frame[i] = static_cast<float>(weights[i] * samples[i]);
  return frame;
}

double norm(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

double frame_norm(const float* samples) {
  const std::vector<float> frame = windowed(samples);
  return norm(std::vector<double>(frame.begin(), frame.end()));
}

/// Frames less than 40 dB below the loudest; none of silence.
std::vector<std::int64_t> audible_frames(std::span<const float> samples) {
  std::vector<double> norms(static_cast<std::size_t>(frame_count(static_cast<std::int64_t>(samples.size()))));
  for (std::size_t i = 0; i < norms.size(); ++i) norms[i] = frame_norm(samples.data() + i * kHop);
  const double loudest = norms.empty() ? 0 : *std::max_element(norms.begin(), norms.end());
  std::vector<std::int64_t> audible;
  for (std::size_t i = 0; i < norms.size() && loudest > 0; ++i) {
    if (norms[i] + kEpsilon > (loudest + kEpsilon) / kQuieter) audible.push_back(static_cast<std::int64_t>(i));
  }
  return audible;
}

/// Windowed frames, added at steps of a hop.
std::vector<float> join(std::span<const float> samples, const std::vector<std::int64_t>& frames) {
  std::vector<float> joined((frames.size() + 1) * kHop);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const std::vector<float> frame = windowed(samples.data() + frames[i] * kHop);
    for (std::size_t k = 0; k < frame.size(); ++k) joined[i * kHop + k] += frame[k];
  }
  return joined;
}

using Stretch = std::array<double, kStretch>;

/// Without its mean, then of length one.
void normalise(Stretch& values) {
  double mean = 0;
  for (const double value : values) mean += value;
  mean /= kStretch;
  for (double& value : values) value -= mean;
  const double length = norm(values) + kEpsilon;
  for (double& value : values) value /= length;
}

/// Of one band from frame `first` on.
Stretch stretch_of(const std::vector<double>& bands, std::int64_t first, std::int64_t band) {
  Stretch values;
  for (std::int64_t i = 0; i < kStretch; ++i) {
    values[static_cast<std::size_t>(i)] = bands[static_cast<std::size_t>((first + i) * kBands + band)];
  }
  return values;
}

double correlation(Stretch x, Stretch y) {
  const double scale = norm(x) / (norm(y) + kEpsilon);
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = std::min(y[i] * scale, x[i] * kMostGain);
  normalise(x);
  normalise(y);
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

}  // namespace

StoiTables::StoiTables(Context& context, int sample_rate)
    : context_(context),
      resampler_(context, sample_rate, kRate, ResampleFilter::kaiser),
      edges_(band_edges()),
      transform_(pack_transform(context, edges_.front(), edges_.back())) {}

void StoiTables::add_bands(const float* parts, std::vector<double>& bands) const {
  const std::int64_t bins = edges_.back() - edges_.front();
  for (std::size_t band = 0; band < kBands; ++band) {
    double power = 0;
    for (std::int64_t bin = edges_[band] - edges_[0]; bin < edges_[band + 1] - edges_[0]; ++bin) {
      const double real = parts[bin];
      const double imaginary = parts[bins + bin];
      power += real * real + imaginary * imaginary;
    }
    bands.push_back(std::sqrt(power));
  }
}

std::vector<double> StoiTables::bands_of(const std::vector<float>& samples, std::int64_t frames) const {
  const std::int64_t bins = edges_.back() - edges_.front();
  const Tensor spectrum = context_.scratch({std::min(frames, kStoiBlockFrames), 2 * bins});
  std::vector<double> bands;
  bands.reserve(static_cast<std::size_t>(frames * kBands));
  for (std::int64_t first = 0; first < frames; first += kStoiBlockFrames) {
    const std::int64_t count = std::min(kStoiBlockFrames, frames - first);
    const Matrix block(spectrum.data(), count, 2 * bins);
    product(context_, ConstMatrix(samples.data() + first * kHop, count, kFrame, kHop), transform_, {}, block);
    for (std::int64_t frame = 0; frame < count; ++frame) add_bands(block.row(frame), bands);
  }
  return bands;
}

void StoiMeter::add(std::span<const float> original, std::span<const float> reconstruction) {
  const std::vector<float> x = x_resampler_.push(original);
  const std::vector<float> y = y_resampler_.push(reconstruction);
  x_.insert(x_.end(), x.begin(), x.end());
  y_.insert(y_.end(), y.begin(), y.end());
  while (x_.size() >= kPart) measure(kPart);
}

void StoiMeter::measure(std::size_t count) {
  const std::span<const float> x(x_.data(), count);
  const std::span<const float> y(y_.data(), count);
  const std::vector<std::int64_t> audible = audible_frames(x);
  const std::int64_t frames = static_cast<std::int64_t>(audible.size()) - 1;
  if (frames >= kStretch) {
    const std::vector<double> x_bands = tables_.bands_of(join(x, audible), frames);
    const std::vector<double> y_bands = tables_.bands_of(join(y, audible), frames);
    for (std::int64_t first = 0; first + kStretch <= frames; ++first) {
      for (std::int64_t band = 0; band < kBands; ++band) {
        sum_ += correlation(stretch_of(x_bands, first, band), stretch_of(y_bands, first, band));
        ++count_;
      }
    }
  }
  x_.erase(x_.begin(), x_.begin() + static_cast<std::ptrdiff_t>(count));
  y_.erase(y_.begin(), y_.begin() + static_cast<std::ptrdiff_t>(count));
}

double StoiMeter::finish() {
  const std::vector<float> x = x_resampler_.finish();
  const std::vector<float> y = y_resampler_.finish();
  x_.insert(x_.end(), x.begin(), x.end());
  y_.insert(y_.end(), y.begin(), y.end());
  while (x_.size() >= kPart) measure(kPart);
  measure(x_.size());
  return count_ > 0 ? sum_ / count_ : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace tessera::cli
