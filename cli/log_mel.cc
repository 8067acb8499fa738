#include "cli/log_mel.h"

#include <algorithm>

#include "kernels/spectrum.h"

namespace tessera::cli {
namespace {

constexpr std::int64_t kBins = LogMel::kWindow / 2 + 1;
constexpr float kFloor = 1e-5F;

PackedWeights pack_filters(Context& context, int sample_rate) {
  const std::vector<float> filters = mel_filters(sample_rate, LogMel::kWindow, LogMel::kBands, 0, sample_rate / 2.0);
  return pack_weights(context, {filters.data(), LogMel::kBands, kBins});
}

}  // namespace

LogMel::LogMel(Context& context, int sample_rate)
    : context_(context),
      transform_(pack_stft(context, kWindow, hann_window(kWindow, kWindow))),
      filters_(pack_filters(context, sample_rate)) {}

std::vector<float> LogMel::of(const float* samples, std::int64_t frames) const {
  const Tensor spectrum = context_.scratch({frames, 2 * kBins});
  const Tensor magnitudes = context_.scratch({frames, kBins});
  std::vector<float> mel(static_cast<std::size_t>(frames * kBands));
  const Matrix out(mel.data(), frames, kBands);
  product(context_, ConstMatrix(samples, frames, kWindow, kHop), transform_, {}, spectrum);
  magnitude(context_, spectrum, magnitudes);
  product(context_, ConstMatrix(magnitudes), filters_, {}, out);
  log_clamped(context_, out, kFloor, out);
  return mel;
}

std::vector<float> LogMel::of_clip(std::vector<float> samples) const {
  const auto count = static_cast<std::int64_t>(samples.size());
  const std::int64_t frames = std::max<std::int64_t>(1, (count - kWindow + 2 * kHop - 1) / kHop);
  samples.resize(static_cast<std::size_t>((frames - 1) * kHop + kWindow));
  return of(samples.data(), frames);
}

}  // namespace tessera::cli
