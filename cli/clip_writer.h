#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "media/audio.h"

namespace tessera::cli {

/// Decodes the codes of one input into one sound file, in pieces; the file appears in commit().
class ClipWriter {
 public:
  /// `samples`: how long the clip is, -1 when only the end of its codes tells. Until it is known the last frames are
  /// held back, for they may be padding. `step`: frames decoded at once, or 0 for all there are.
  /// Throws UsageError when the file's format cannot hold the codec's sound.
  ClipWriter(const AudioCodec& codec, Context& context, const std::string& path, media::SampleFormat format,
             std::int64_t samples, std::int64_t step);

  /// Throws InputError("bad_codes") for ids that the codec does not have.
  void push(const Codes& codes);
  /// `samples` as in the constructor; -1 keeps everything.
  void finish(std::int64_t samples);
  void commit() { writer_->finish(); }
  [[nodiscard]] std::int64_t written() const { return written_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  void take(const std::vector<float>& samples);
  void put(std::int64_t count);

  std::string path_;
  std::unique_ptr<DecodeStream> stream_;
  std::unique_ptr<media::AudioWriter> writer_;
  std::int64_t samples_;
  std::int64_t step_;
  std::int64_t held_;
  std::vector<float> pending_;
  std::int64_t written_ = 0;
};

}  // namespace tessera::cli
