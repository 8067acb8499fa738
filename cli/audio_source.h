#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "kernels/resample.h"
#include "media/audio.h"

namespace tessera::cli {

/// How inputs are read.
struct SourceOptions {
  media::ReadOptions read;
  std::optional<media::RawFormat> raw;
};

/// A media file as a codec wants it: float32 at the codec's rate in the codec's channels, interleaved, in blocks.
/// As the references of the codecs do, channels are mapped first and then each is resampled on its own: the mean of all
/// for a mono codec; for any other, its own channels, or the one channel of a mono file in each.
class AudioSource {
 public:
  /// Throws InputError, also "unsupported_channels" and "unsupported_rate" for what cannot be mapped or resampled.
  AudioSource(Context& context, const std::string& path, const AudioCodecInfo& codec, const SourceOptions& options);

  /// Replaces `out` by the next block, which may be empty; false when there is no more. `seconds`: of the file,
  /// how much one block takes.
  [[nodiscard]] bool next(double seconds, std::vector<float>& out);
  [[nodiscard]] const media::AudioInfo& info() const { return reader_->info(); }
  [[nodiscard]] std::string warning() const { return reader_->warning(); }

 private:
  void add_resamplers(Context& context, int sample_rate);
  [[nodiscard]] std::vector<float> convert(std::int64_t frames, std::size_t channel);

  std::string path_;
  std::unique_ptr<media::AudioReader> reader_;
  int channels_;
  std::vector<Resampler> resamplers_;  // one for each channel that differs
  std::vector<float> block_;
  std::vector<float> channel_;
  bool ended_ = false;
  bool any_ = false;
};

}  // namespace tessera::cli
