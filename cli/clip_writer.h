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
  /// held back, for they may be padding. `step`: frames decoded at once where the codec does not count in chunks.
  /// Throws UsageError when the file's format cannot hold the codec's sound.
  ClipWriter(const AudioCodec& codec, Context& context, const std::string& path, const media::WriteOptions& options,
             std::int64_t samples, std::int64_t step);

  /// Whole frames, and whole chunks where the codec has them, as check_record() finds them good.
  /// Throws InputError("bad_codes") for what the codec cannot decode.
  void push(const Codes& codes);
  /// `samples` as in the constructor; -1 keeps everything.
  void finish(std::int64_t samples);
  void commit() { writer_->finish(); }
  /// Samples per channel, as all counts here are.
  [[nodiscard]] std::int64_t written() const { return written_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  [[nodiscard]] std::vector<std::int64_t> pieces_of(const Codes& codes) const;
  void take(const std::vector<float>& samples);
  void put(std::int64_t count);

  const AudioCodecInfo& codec_;
  std::string path_;
  std::unique_ptr<DecodeStream> stream_;
  std::unique_ptr<media::AudioWriter> writer_;
  std::int64_t samples_;
  std::int64_t step_;
  std::int64_t held_;
  std::vector<float> pending_;  // channels interleaved
  std::int64_t written_ = 0;
};

}  // namespace tessera::cli
