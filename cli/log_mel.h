#pragma once

#include <cstdint>
#include <vector>

#include "kernels/product.h"

namespace tessera::cli {

/// The natural logarithm of mel magnitudes, clamped at 1e-5: 80 HTK bands from 0 to half the sample rate, periodic
/// Hann window and transform of 1024 samples, hop 256. Frame t begins at sample 256 t: no centring.
class LogMel {
 public:
  static constexpr std::int64_t kWindow = 1024;
  static constexpr std::int64_t kHop = 256;
  static constexpr std::int64_t kBands = 80;

  LogMel(Context& context, int sample_rate);
  /// [frames, kBands] of (frames - 1) * kHop + kWindow samples.
  [[nodiscard]] std::vector<float> of(const float* samples, std::int64_t frames) const;
  /// A whole clip, padded with zeros so that every sample is inside a frame.
  [[nodiscard]] std::vector<float> of_clip(std::vector<float> samples) const;

 private:
  Context& context_;
  PackedWeights transform_;
  PackedWeights filters_;
};

}  // namespace tessera::cli
