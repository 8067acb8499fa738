#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/error.h"
#include "media/audio.h"
#include "media/source.h"

namespace tessera::media {

/// One format's way from bytes to samples, front to back. What is common to all formats (start and duration, the
/// check for NaN, an empty file) is in window.cc.
class Decoder {
 public:
  Decoder(std::unique_ptr<Source> source, bool allow_truncated)
      : source_(std::move(source)), allow_truncated_(allow_truncated) {}
  virtual ~Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Up to `frames` interleaved frames into `out`; 0 only at the end.
  virtual std::int64_t read(std::int64_t frames, float* out) = 0;
  /// Goes forward without decoding where that gives the same samples; returns how many frames it skipped.
  virtual std::int64_t skip(std::int64_t /*frames*/) { return 0; }

  [[nodiscard]] const AudioInfo& info() const { return info_; }
  [[nodiscard]] const std::string& warning() const { return warning_; }
  [[nodiscard]] const std::string& name() const { return source_->name(); }
  void warn(const std::string& what) {
    if (warning_.empty()) warning_ = name() + ": " + what;
  }

 protected:
  /// The file is shorter than it says: an error, or a warning where the caller allows it.
  void truncated(const std::string& what) {
    if (!allow_truncated_) throw InputError("truncated_media", name() + ": " + what);
    warn(what);
  }

  std::unique_ptr<Source> source_;
  AudioInfo info_;
  bool allow_truncated_;

 private:
  std::string warning_;
};

/// Throws ArgumentError for a start or duration that makes no sense.
void check(const ReadOptions& options);

/// Puts start, duration and the checks common to all formats around a decoder.
[[nodiscard]] std::unique_ptr<AudioReader> window(std::unique_ptr<Decoder> decoder, const ReadOptions& options);

/// WAV and RF64 with plain samples, from files and pipes; null, with the source rewound, when it is not that.
[[nodiscard]] std::unique_ptr<Decoder> open_wav(std::unique_ptr<Source>& source, bool allow_truncated);
[[nodiscard]] std::unique_ptr<Decoder> open_raw_pcm(std::unique_ptr<Source> source, const RawFormat& format,
                                                    bool allow_truncated);
/// Null, with the source rewound, when libsndfile refuses the file.
[[nodiscard]] std::unique_ptr<Decoder> open_sndfile(std::unique_ptr<Source>& source, bool allow_truncated);
/// Loads the FFmpeg module on its first use.
[[nodiscard]] std::unique_ptr<Decoder> open_ffmpeg(std::unique_ptr<Source> source, const ReadOptions& options);

}  // namespace tessera::media
