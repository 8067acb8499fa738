#include "kernels/resample.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/constants.h"
#include "kernels/error.h"

namespace tessera {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kZeros = 6;
constexpr double kRolloff = 0.99;
constexpr std::int64_t kMostCoefficients = std::int64_t{1} << 26;

// [to, 2 width + from]: row i is the filter of output phase i.
std::vector<float> sinc_kernel(std::int64_t from, std::int64_t to, std::int64_t width) {
  const double base = static_cast<double>(std::min(from, to)) * kRolloff;
  const std::int64_t taps = 2 * width + from;
  std::vector<float> kernel(static_cast<std::size_t>(to * taps));
  for (std::int64_t phase = 0; phase < to; ++phase) {
    for (std::int64_t k = 0; k < taps; ++k) {
      const double time = static_cast<double>(k - width) / static_cast<double>(from) -
                          static_cast<double>(phase) / static_cast<double>(to);
      const double t = std::clamp(time * base, -kZeros, kZeros);
      const double cosine = exact_cos(t * kPi / kZeros / 2);
      const double sinc = t == 0 ? 1.0 : exact_sin(t * kPi) / (t * kPi);
      kernel[phase * taps + k] = static_cast<float>(sinc * cosine * cosine * base / static_cast<double>(from));
    }
  }
  return kernel;
}

}  // namespace

Resampler::Resampler(Context& context, int from, int to) : context_(context), from_(from), to_(to) {
  if (from < 1 || to < 1) throw ArgumentError("resample: rates must be at least 1 Hz");
  const int divisor = std::gcd(from, to);
  from_ /= divisor;
  to_ /= divisor;
  if (from_ == to_) return;
  width_ = static_cast<std::int64_t>(
      std::ceil(kZeros * static_cast<double>(from_) / (static_cast<double>(std::min(from_, to_)) * kRolloff)));
  const std::int64_t taps = 2 * width_ + from_;
  if (taps > kMostCoefficients / to_) {
    throw ArgumentError("resample: the ratio " + std::to_string(from) + ":" + std::to_string(to) +
                        " needs an unreasonably long filter");
  }
  const std::vector<float> kernel = sinc_kernel(from_, to_, width_);
  kernel_ = pack_weights(context_, {kernel.data(), to_, taps});
  pending_.assign(static_cast<std::size_t>(width_), 0.0F);
}

std::vector<float> Resampler::push(std::span<const float> samples) {
  taken_ += static_cast<std::int64_t>(samples.size());
  if (from_ == to_) return {samples.begin(), samples.end()};
  pending_.insert(pending_.end(), samples.begin(), samples.end());
  return convert();
}

std::vector<float> Resampler::convert() {
  const std::int64_t taps = 2 * width_ + from_;
  const auto available = static_cast<std::int64_t>(pending_.size());
  const std::int64_t steps = available < taps ? 0 : (available - taps) / from_ + 1;
  if (steps == 0) return {};
  const Tensor input = context_.scratch({available});
  context_.upload(pending_.data(), input.bytes(), pending_.size() * sizeof(float));
  const Tensor output = context_.scratch({steps, to_});
  product(context_, ConstMatrix(input.data(), steps, taps, from_), kernel_, {}, output);
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
