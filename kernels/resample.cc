#include "kernels/resample.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <numeric>

#include "kernels/constants.h"
#include "kernels/error.h"

namespace tessera {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kZeros = 6;
constexpr double kRolloff = 0.99;
constexpr std::int64_t kMostCoefficients = std::int64_t{1} << 26;

// Input samples under half of the filter, both rates without common divisor.
std::int64_t hann_width(std::int64_t from, std::int64_t to) {
  const double base = static_cast<double>(std::min(from, to)) * kRolloff;
  return static_cast<std::int64_t>(std::ceil(kZeros * static_cast<double>(from) / base));
}

// The coefficient of tap k of an output phase.
using Filter = std::function<double(std::int64_t phase, std::int64_t k)>;

Filter hann_filter(std::int64_t from, std::int64_t to, std::int64_t width) {
  return [=, base = static_cast<double>(std::min(from, to)) * kRolloff](std::int64_t phase, std::int64_t k) {
    const double time = static_cast<double>(k - width) / static_cast<double>(from) -
                        static_cast<double>(phase) / static_cast<double>(to);
    const double t = std::clamp(time * base, -kZeros, kZeros);
    const double cosine = exact_cos(t * kPi / kZeros / 2);
    const double sinc = t == 0 ? 1.0 : exact_sin(t * kPi) / (t * kPi);
    return sinc * cosine * cosine * base / static_cast<double>(from);
  };
}

// The modified Bessel function of order 0 by its series, whose terms only fall below 1e-17 of the sum after 40.
double bessel_i0(double x) {
  double term = 1;
  double sum = 1;
  for (int k = 1; k <= 40; ++k) {
    term *= x / 2 / k * (x / 2 / k);
    sum += term;
  }
  return sum;
}

// Taps of half of the Kaiser filter at `to` times the input's rate: 60 dB, a transition of a tenth of the cut-off.
std::int64_t kaiser_half(std::int64_t from, std::int64_t to) {
  const double transition = 1.0 / (20.0 * static_cast<double>(std::max(from, to)));
  return static_cast<std::int64_t>(std::ceil((60 - 8) / (28.714 * transition)));
}

std::int64_t kaiser_width(std::int64_t from, std::int64_t to) { return (kaiser_half(from, to) + to - 1) / to; }

// The filter from its middle on; all of it sums to `to`.
std::vector<double> kaiser_taps(std::int64_t from, std::int64_t to) {
  constexpr double beta = 0.1102 * (60 - 8.7);
  const std::int64_t half = kaiser_half(from, to);
  const std::int64_t rate = std::max(from, to);
  std::vector<double> taps(static_cast<std::size_t>(half + 1));
  double sum = 0;
  for (std::int64_t i = half; i >= 0; --i) {
    const double place = static_cast<double>(i) / static_cast<double>(half);
    const double t = static_cast<double>(i) / static_cast<double>(rate);
    const double sinc = i == 0 ? 1.0 : sin_turns(i, 2 * rate) / (kPi * t);
    taps[static_cast<std::size_t>(i)] = sinc * bessel_i0(beta * std::sqrt(1 - place * place));
    sum += taps[static_cast<std::size_t>(i)] * (i == 0 ? 1 : 2);
  }
  for (double& tap : taps) tap *= static_cast<double>(to) / sum;
  return taps;
}

Filter kaiser_filter(std::int64_t from, std::int64_t to, std::int64_t width) {
  return [=, half = kaiser_taps(from, to)](std::int64_t phase, std::int64_t k) {
    const auto place = static_cast<std::size_t>(std::abs((k - width) * to - phase * from));
    return place < half.size() ? half[place] : 0.0;
  };
}

// Phases [first, first + phases) and taps [tap, end).
PackedWeights pack_filter(Context& context, const Filter& filter, std::int64_t first, std::int64_t phases,
                          std::int64_t tap, std::int64_t end) {
  std::vector<float> rows;
  rows.reserve(static_cast<std::size_t>(phases * (end - tap)));
  for (std::int64_t phase = first; phase < first + phases; ++phase) {
    for (std::int64_t k = tap; k < end; ++k) rows.push_back(static_cast<float>(filter(phase, k)));
  }
  return pack_weights(context, {rows.data(), phases, end - tap});
}

// Coefficients that one product may hold, zeros included.
constexpr std::int64_t kMostDense = std::int64_t{1} << 19;
constexpr std::int64_t kPhasesOfPart = 16;

}  // namespace

Resampler::Resampler(Context& context, int from, int to, ResampleFilter filter)
    : context_(context), from_(from), to_(to) {
  if (from < 1 || to < 1) throw ArgumentError("resample: rates must be at least 1 Hz");
  const int divisor = std::gcd(from, to);
  from_ /= divisor;
  to_ /= divisor;
  if (from_ == to_) return;
  const bool hann = filter == ResampleFilter::hann;
  width_ = hann ? hann_width(from_, to_) : kaiser_width(from_, to_);
  if (2 * width_ + kPhasesOfPart * from_ / to_ > kMostCoefficients / to_) {
    throw ArgumentError("resample: the ratio " + std::to_string(from) + ":" + std::to_string(to) +
                        " needs an unreasonably long filter");
  }
  parts_ = std::make_shared<const std::vector<Part>>(
      make_parts(hann ? hann_filter(from_, to_, width_) : kaiser_filter(from_, to_, width_)));
  pending_.assign(static_cast<std::size_t>(width_), 0.0F);
}

// A part ends where a slice of the whole product would, so that its sums are that product's.
std::vector<Resampler::Part> Resampler::make_parts(
    const std::function<double(std::int64_t, std::int64_t)>& filter) const {
  std::vector<Part> parts;
  if (taps() <= kMostDense / to_) {
    parts.push_back({0, 0, false, pack_filter(context_, filter, 0, to_, 0, taps())});
    return parts;
  }
  for (std::int64_t phase = 0; phase < to_; phase += kPhasesOfPart) {
    const std::int64_t phases = std::min(kPhasesOfPart, to_ - phase);
    const std::int64_t first = phase * from_ / to_;
    const std::int64_t end = std::min(taps(), (phase + phases - 1) * from_ / to_ + 2 * width_ + 2);
    for (std::int64_t k = first; k < end;) {
      const std::int64_t stop = std::min(end, (k / kSlice + 1) * kSlice);
      parts.push_back({phase, k, k != first, pack_filter(context_, filter, phase, phases, k, stop)});
      k = stop;
    }
  }
  return parts;
}

std::vector<float> Resampler::push(std::span<const float> samples) {
  taken_ += static_cast<std::int64_t>(samples.size());
  if (from_ == to_) return {samples.begin(), samples.end()};
  pending_.insert(pending_.end(), samples.begin(), samples.end());
  return convert();
}

std::vector<float> Resampler::convert() {
  const auto available = static_cast<std::int64_t>(pending_.size());
  const std::int64_t steps = available < taps() ? 0 : (available - taps()) / from_ + 1;
  if (steps == 0) return {};
  const Tensor input = context_.scratch({available});
  context_.upload(pending_.data(), input.bytes(), pending_.size() * sizeof(float));
  const Tensor output = context_.scratch({steps, to_});
  for (const Part& part : *parts_) {
    const Matrix out = output.matrix().columns_from(part.first_phase, part.weights.outputs);
    Epilogue epilogue;
    if (part.adds) epilogue.residual = out;
    product(context_, ConstMatrix(input.data() + part.first_tap, steps, part.weights.inputs, from_), part.weights,
            epilogue, out);
  }
  std::vector<float> samples(static_cast<std::size_t>(steps * to_));
  context_.download(output.bytes(), samples.data(), samples.size() * sizeof(float));
  pending_.erase(pending_.begin(), pending_.begin() + steps * from_);
  given_ += steps * to_;
  return samples;
}

std::vector<float> Resampler::finish() {
  if (from_ == to_) return {};
  const std::int64_t total = (to_ * taken_ + from_ - 1) / from_;
  pending_.insert(pending_.end(), static_cast<std::size_t>(width_ + from_), 0.0F);
  std::vector<float> samples = convert();
  const std::int64_t surplus = given_ - total;
  if (surplus > 0)
    samples.resize(samples.size() - static_cast<std::size_t>(std::min<std::int64_t>(surplus, samples.size())));
  pending_.assign(static_cast<std::size_t>(width_), 0.0F);
  taken_ = given_ = 0;
  return samples;
}

}  // namespace tessera
