#pragma once

#include <array>
#include <span>
#include <vector>

#include "kernels/product.h"
#include "kernels/resample.h"

namespace tessera::cli {

/// What STOI computes with, made once for a sample rate.
class StoiTables {
 public:
  static constexpr std::int64_t kBands = 15;

  /// Throws ArgumentError for a rate whose resampling needs too long a filter.
  StoiTables(Context& context, int sample_rate);

  /// Magnitudes in third-octave bands, [frames, kBands]: frame t begins at sample 128 t of `samples`.
  [[nodiscard]] std::vector<double> bands_of(const std::vector<float>& samples, std::int64_t frames) const;
  [[nodiscard]] const Resampler& resampler() const { return resampler_; }

 private:
  void add_bands(const float* parts, std::vector<double>& bands) const;

  Context& context_;
  Resampler resampler_;
  std::array<std::int64_t, kBands + 1> edges_;  // bins where the bands begin; the last one: where band 14 ends
  PackedWeights transform_;                     // of those bins alone, window included
};

/// Short-time objective intelligibility (C. Taal et al., IEEE TASLP 19, 2011) of one channel, by the rule of the Python
/// package pystoi 0.4.1: both signals at 10 kHz; frames of 256 samples, hop 128, that lie 40 dB or more below the
/// original's loudest are cut out of both; magnitudes in 15 third-octave bands from 150 Hz; the mean correlation of all
/// stretches of 30 frames, the reconstruction scaled to the original and clipped at -15 dB. 1 is best.
/// Sounds of more than ten minutes are cut into parts of that length, each with its own loudest frame, and the mean
/// goes over the stretches of all, so that memory does not grow with the sound.
class StoiMeter {
 public:
  explicit StoiMeter(const StoiTables& tables)
      : tables_(tables), x_resampler_(tables.resampler()), y_resampler_(tables.resampler()) {}
  /// The next samples of both, as many of each.
  void add(std::span<const float> original, std::span<const float> reconstruction);
  /// NaN when there are fewer than 30 frames above the threshold, or the original is silent.
  [[nodiscard]] double finish();

 private:
  void measure(std::size_t count);

  const StoiTables& tables_;
  Resampler x_resampler_, y_resampler_;
  std::vector<float> x_, y_;  // at 10 kHz
  double sum_ = 0;
  double count_ = 0;
};

}  // namespace tessera::cli
