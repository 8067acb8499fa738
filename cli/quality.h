#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "cli/log_mel.h"
#include "codec/codec.h"

namespace tessera::cli {

/// Figures of a reconstruction y against what was encoded, x, both at the codec's rate and of x's length, of one
/// channel:
/// - mel_distance: mean of |LogMel(x) - LogMel(y)| over every frame and band; 0 is best.
/// - snr_db: 10 log10(sum x² / sum (x - y)²).
/// - si_sdr_db: the same after both lost their mean and x was scaled to fit y best: a = <x, y> / <x, x>,
///   10 log10(sum (a x)² / sum (a x - y)²).
/// Without a finite value (silence, a perfect copy) a figure is absent: null in JSON. Of several channels each figure
/// is the mean over those that have a finite one.
struct Quality {
  double mel_distance = 0;
  double snr_db = 0;
  double si_sdr_db = 0;
};
[[nodiscard]] nlohmann::ordered_json to_json(const Quality& quality);

/// Compares two signals of one channel that come in pieces, each at its own pace; remembers only what the other side
/// lacks.
class QualityMeter {
 public:
  QualityMeter(Context& context, int sample_rate) : mel_(context, sample_rate) {}
  void original(std::span<const float> samples);
  void reconstruction(std::span<const float> samples);
  /// What one side has more than the other is left out; a last partial frame is padded with zeros.
  [[nodiscard]] Quality finish();

 private:
  void compare();
  void add_sums(std::size_t count);
  void add_mel(std::int64_t frames);

  LogMel mel_;
  std::vector<float> x_, y_;  // from the first sample of the next mel frame
  std::size_t summed_ = 0;    // samples at their front that the sums hold already
  double count_ = 0, sx_ = 0, sy_ = 0, sxx_ = 0, sxy_ = 0, syy_ = 0, sdd_ = 0;
  double mel_sum_ = 0;
  std::int64_t mel_count_ = 0;
};

/// A meter for each of the channels, which come interleaved.
class ChannelsMeter {
 public:
  ChannelsMeter(Context& context, const AudioCodecInfo& codec);
  void original(std::span<const float> samples);
  void reconstruction(std::span<const float> samples);
  [[nodiscard]] Quality finish();

 private:
  std::vector<QualityMeter> meters_;
};

/// Decodes the codes of one input as they are made and meters them against what was encoded.
class Reconstruction {
 public:
  /// `meter` computes on the CPU, the codec where `decode` does.
  Reconstruction(const AudioCodec& codec, Context& decode, Context& meter)
      : meter_(meter, codec.info()), stream_(codec.decode_stream(decode)) {}
  void original(std::span<const float> samples) { meter_.original(samples); }
  void codes(const Codes& codes) { meter_.reconstruction(stream_->push(codes)); }
  [[nodiscard]] Quality finish() {
    meter_.reconstruction(stream_->finish());
    return meter_.finish();
  }

 private:
  ChannelsMeter meter_;
  std::unique_ptr<DecodeStream> stream_;
};

}  // namespace tessera::cli
