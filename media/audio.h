#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::media {

/// What a media file says of itself, before anything is decoded.
struct AudioInfo {
  std::string container;  ///< "wav", "flac", "ogg", "mp3", "mov,mp4,m4a", …
  std::string codec;      ///< "pcm_s16", "flac", "opus", "aac", …
  int sample_rate = 0;    ///< Hz
  int channels = 0;
  std::int64_t samples = -1;  ///< per channel; -1 when the header does not say exactly
  double seconds = -1;        ///< by the header, an estimate for some formats; -1 when it does not say
  int stream = 0;             ///< index of the audio stream read
  int streams = 1;            ///< audio streams in the file
  std::vector<std::pair<std::string, std::string>> tags;
};

struct ReadOptions {
  double start = 0;                ///< seconds to skip, rounded to the nearest sample at the file's rate
  std::optional<double> duration;  ///< seconds to read at most
  int stream = -1;                 ///< which audio stream; -1: the file's default
  bool allow_truncated = false;    ///< a file shorter than its header says is an error otherwise
};

/// Raw PCM has no header: the caller says what it is. Mono when channels is 1, else interleaved.
struct RawFormat {
  enum class Sample : std::uint8_t { s16, f32 };
  Sample sample = Sample::s16;
  int sample_rate = 0;
  int channels = 1;
};

/// Decodes one file from the front to the end, in blocks, so that memory does not grow with its length.
/// 16-bit PCM becomes x/32768; lossy formats decode in their bit-exact modes.
class AudioReader {
 public:
  virtual ~AudioReader() = default;
  [[nodiscard]] virtual const AudioInfo& info() const = 0;
  /// Interleaved float32 samples, at most `frames` per channel, appended to `out`; returns how many frames came
  /// (0 at the end). Throws InputError: reason "corrupt_media", "truncated_media", "bad_sample" (NaN or infinity).
  virtual std::int64_t read(std::int64_t frames, std::vector<float>& out) = 0;
  /// Non-empty when allow_truncated let a short file pass.
  [[nodiscard]] virtual std::string warning() const { return {}; }
};

/// Opens anything libsndfile or FFmpeg reads, by content, never by extension; the sound of a video too.
/// "-" is standard input. Throws InputError: "unreadable" (no such file, no permission, a folder),
/// "empty_media", "unknown_format", "no_audio", "corrupt_media".
[[nodiscard]] std::unique_ptr<AudioReader> open_audio(const std::string& path, const ReadOptions& options = {});
/// Raw PCM from a path or "-".
[[nodiscard]] std::unique_ptr<AudioReader> open_raw(const std::string& path, const RawFormat& format,
                                                    const ReadOptions& options = {});
[[nodiscard]] AudioInfo probe_audio(const std::string& path);

enum class SampleFormat : std::uint8_t { s16, f32 };

struct WriteOptions {
  int sample_rate = 0;
  int channels = 1;
  SampleFormat sample_format = SampleFormat::s16;  ///< WAV only
  bool overwrite = true;  ///< false: finish() throws ResourceError("output_exists") rather than replace a file
};

/// Writes interleaved float32 samples; integer formats round half to even and clip. The file appears under its
/// final name only in finish(): until then it is a temporary beside it, removed by the destructor.
class AudioWriter {
 public:
  virtual ~AudioWriter() = default;
  /// Throws ResourceError("disk_full" or "write_failed").
  virtual void write(const float* samples, std::int64_t frames) = 0;
  /// Flushes, syncs, renames.
  virtual void finish() = 0;
};

/// The format comes from the extension: .wav .flac .ogg/.opus (Opus) .mp3; "-" is a streaming WAV on standard
/// output. Throws ArgumentError for another extension. Identical samples make identical bytes.
[[nodiscard]] std::unique_ptr<AudioWriter> create_audio(const std::string& path, const WriteOptions& options);

}  // namespace tessera::media
