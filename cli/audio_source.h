#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/resample.h"
#include "media/audio.h"

namespace tessera::cli {

/// How inputs are read.
struct SourceOptions {
  media::ReadOptions read;
  std::optional<media::RawFormat> raw;
};

/// A media file as a codec wants it: mono float32 at the codec's rate, in blocks.
class AudioSource {
 public:
  /// Throws InputError.
  AudioSource(Context& context, const std::string& path, int sample_rate, const SourceOptions& options);

  /// Replaces `out` by the next block, which may be empty; false when there is no more. `seconds`: of the file,
  /// how much one block takes.
  [[nodiscard]] bool next(double seconds, std::vector<float>& out);
  [[nodiscard]] const media::AudioInfo& info() const { return reader_->info(); }
  [[nodiscard]] std::string warning() const { return reader_->warning(); }

 private:
  std::string path_;
  std::unique_ptr<media::AudioReader> reader_;
  Resampler resampler_;
  std::vector<float> block_;
  bool ended_ = false;
  bool any_ = false;
};

}  // namespace tessera::cli
