#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

#include "media/audio.h"
#include "media/ffmpeg/library.h"
#include "media/source.h"

namespace tessera::media::ffmpeg {

/// An opened container: packets of one stream, read through a Source.
class Demuxer {
 public:
  /// `kind`: sound or pictures; `wanted_stream` counts those of the kind, -1 takes FFmpeg's choice.
  /// Throws InputError: "unknown_format", "no_audio" or "no_video", "corrupt_media".
  Demuxer(Source& source, AVMediaType kind, int wanted_stream);

  /// False at the end. Throws what the source throws; `error` is FFmpeg's number when the container is broken.
  bool next(AVPacket& packet, int& error);

  [[nodiscard]] const AVStream& stream() const { return *input_->streams[index_]; }
  [[nodiscard]] const AVFormatContext& input() const { return *input_; }
  [[nodiscard]] int ordinal() const { return ordinal_; }  ///< of the stream among those of its kind
  [[nodiscard]] int streams() const { return streams_; }

 private:
  static int read(void* self, std::uint8_t* out, int bytes);
  static std::int64_t seek(void* self, std::int64_t offset, int whence);
  void open();
  void choose(int wanted_stream);
  void check_choice(int best, int wanted_stream) const;
  void rethrow();

  Source& source_;
  AVMediaType kind_;
  std::exception_ptr source_error_;
  Io io_;
  Input input_;
  int index_ = 0;
  int ordinal_ = 0;
  int streams_ = 0;
};

}  // namespace tessera::media::ffmpeg
