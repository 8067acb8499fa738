#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <vector>

#include "cli/code_use.h"
#include "cli/log_mel.h"
#include "cli/stoi.h"
#include "codec/codec.h"

namespace tessera::cli {

/// Figures of a reconstruction y against what was encoded, x, both at the codec's rate and of x's length, of one
/// channel:
/// - mel_distance: mean of |LogMel(x) - LogMel(y)| over every frame and band; 0 is best.
/// - snr_db: 10 log10(sum x² / sum (x - y)²).
/// - si_sdr_db: the same after both lost their mean and x was scaled to fit y best: a = <x, y> / <x, x>,
///   10 log10(sum (a x)² / sum (a x - y)²).
/// - stoi: short-time objective intelligibility, see StoiMeter; 1 is best.
/// Sums are taken in double precision in the order of the samples and nothing comes from the C library's mathematics
/// but the square root, so that figures are the same on every machine. Without a finite value (silence, a perfect copy)
/// a figure is absent: null in JSON. Of several channels each figure is the mean over those that have a finite one.
struct Quality {
  double mel_distance = 0;
  double snr_db = 0;
  double si_sdr_db = 0;
  double stoi = 0;
};
[[nodiscard]] nlohmann::ordered_json to_json(const Quality& quality);

/// The mean of each figure over those that have a finite one; NaN when none has.
[[nodiscard]] Quality mean_of(const std::vector<Quality>& all);

/// What meters compute with, made once for a context and a sample rate.
struct QualityTables {
  QualityTables(Context& context, int sample_rate);
  LogMel mel;
  std::optional<StoiTables> stoi;  ///< none for rates that cannot be brought to 10 kHz
};

/// Compares two signals of one channel that come in pieces, each at its own pace; remembers only what the other side
/// lacks.
class QualityMeter {
 public:
  explicit QualityMeter(const QualityTables& tables);
  void original(std::span<const float> samples);
  void reconstruction(std::span<const float> samples);
  /// What one side has more than the other is left out; a last partial frame is padded with zeros.
  [[nodiscard]] Quality finish();

 private:
  void compare();
  void add_sums(std::size_t count);
  void add_mel(std::int64_t frames);

  const LogMel& mel_;
  std::optional<StoiMeter> stoi_;
  std::vector<float> x_, y_;  // from the first sample of the next mel frame
  std::size_t summed_ = 0;    // samples at their front that the sums hold already
  double count_ = 0, sx_ = 0, sy_ = 0, sxx_ = 0, sxy_ = 0, syy_ = 0, sdd_ = 0;
  double mel_sum_ = 0;
  std::int64_t mel_count_ = 0;
};

/// A meter for each of the channels, which come interleaved.
class ChannelsMeter {
 public:
  ChannelsMeter(const QualityTables& tables, int channels)
      : meters_(static_cast<std::size_t>(channels), QualityMeter(tables)) {}
  void original(std::span<const float> samples);
  void reconstruction(std::span<const float> samples);
  [[nodiscard]] Quality finish();

 private:
  std::vector<QualityMeter> meters_;
};

/// Decodes the codes of one input as they are made, counts them, and meters the sound against what was encoded.
class Reconstruction {
 public:
  /// `tables` are of the CPU, for the codec's rate; the codec decodes where `decode` does.
  Reconstruction(const AudioCodec& codec, Context& decode, const QualityTables& tables)
      : codec_(codec),
        meter_(tables, codec.info().channels),
        use_(codec.info()),
        stream_(codec.decode_stream(decode)) {}
  void original(std::span<const float> samples) { meter_.original(samples); }
  void codes(const Codes& codes);
  /// The figures of Quality, then kbps, entropy_kbps and code_use.
  [[nodiscard]] nlohmann::ordered_json finish();

 private:
  const AudioCodec& codec_;
  ChannelsMeter meter_;
  CodeUse use_;
  std::unique_ptr<DecodeStream> stream_;
};

}  // namespace tessera::cli
