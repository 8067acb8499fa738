#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kernels/product.h"

namespace tessera {

/// The low-pass filter of a resampler.
enum class ResampleFilter : std::uint8_t {
  hann,    ///< sinc under a Hann window, 6 zero crossings, roll-off 0.99: the default of torchaudio.functional.resample
  kaiser,  ///< sinc under a Kaiser window for 60 dB, cut off at half the lower rate, normalised to a sum of one: GNU
           ///< Octave's resample, which measures of intelligibility (pystoi) take
};

/// Sample-rate conversion by a windowed sinc, streaming: any chunking of the input gives the same samples.
/// One product: `to` outputs from 2 width + `from` inputs, both rates divided by their common divisor. Where rates have
/// next to no common divisor nearly all of that matrix is zeros, and it is kept in parts without them; zeros change no
/// sum, so the samples are the same. A copy shares the filter.
class Resampler {
 public:
  /// Rates in Hz. Equal rates copy. Throws ArgumentError for rates below 1 or a ratio whose filter would exceed
  /// 2^26 coefficients, zeros aside.
  Resampler(Context& context, int from, int to, ResampleFilter filter = ResampleFilter::hann);

  /// Mono float32 samples in, the samples completed by them out.
  [[nodiscard]] std::vector<float> push(std::span<const float> samples);
  /// The rest: ceil(to * total / from) samples in all, the end padded with zeros. The next push starts afresh.
  [[nodiscard]] std::vector<float> finish();

 private:
  /// Coefficients of some phases for some taps; parts of the same phases follow each other.
  struct Part {
    std::int64_t first_phase;
    std::int64_t first_tap;
    bool adds;  ///< to what the part before it gave
    PackedWeights weights;
  };

  [[nodiscard]] std::int64_t taps() const noexcept { return 2 * width_ + from_; }
  [[nodiscard]] std::vector<Part> make_parts(const std::function<double(std::int64_t, std::int64_t)>& filter) const;
  [[nodiscard]] std::vector<float> convert();

  Context& context_;
  std::int64_t from_;
  std::int64_t to_;
  std::int64_t width_ = 0;
  std::shared_ptr<const std::vector<Part>> parts_;  // null when rates are equal
  std::vector<float> pending_;                      // from the first sample that the next output needs
  std::int64_t taken_ = 0;
  std::int64_t given_ = 0;
};

}  // namespace tessera
