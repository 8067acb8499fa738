#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/context.h"

namespace tessera {

/// Codes of one clip: `rows[level][frame]`, coarse to fine. Rows of a multi-rate codec differ in length. Codes of one
/// picture or video: `rows[level][position]`, positions running through `grid`.
struct Codes {
  struct Grid {
    std::int64_t frames = 0;
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    [[nodiscard]] std::int64_t positions() const noexcept { return frames * rows * columns; }
    friend bool operator==(const Grid&, const Grid&) = default;
  };

  std::vector<std::vector<std::int32_t>> rows;
  /// Of a codec that encodes segments with a level of their own (EnCodec at 48 kHz): the frames of each, and the factor
  /// its samples were divided by (none when the codec does not normalise). `rows` run through all of them.
  std::vector<std::int64_t> chunks;
  std::vector<float> scales;
  /// Samples per channel, at the codec's rate, that were encoded before padding; -1 when unknown.
  std::int64_t samples = -1;
  /// Frame by frame in reading order; zeros for sound.
  Grid grid;

  [[nodiscard]] std::int64_t frames() const noexcept {
    return rows.empty() ? 0 : static_cast<std::int64_t>(rows.front().size());
  }
  friend bool operator==(const Codes&, const Codes&) = default;
};

/// What a checkpoint is, for `inspect`, `vocab` and the layers above.
struct AudioCodecInfo {
  std::string family;   ///< "mimi", "mimo-audio-tokenizer", "encodec", "dac", "snac", "wavtokenizer"
  int sample_rate = 0;  ///< Hz
  int channels = 1;
  int hop = 0;                      ///< samples per frame of row 0
  int levels = 0;                   ///< every level the checkpoint has
  std::vector<int> codebook_sizes;  ///< one a level
  /// Ids of each level for one frame of row 0; empty when that is one everywhere.
  std::vector<int> level_multiples;
  /// Bandwidths (kbit/s) that the configuration names and the levels each stands for; empty when it names none.
  std::vector<std::pair<double, int>> bandwidths;
  /// True when codes come in segments (`Codes::chunks`), and when each has a scale.
  bool segmented = false;
  bool scaled = false;
  /// True when frames come out as samples go in and streamed equals offline bit for bit.
  bool streams = false;
  /// Samples beyond its own that a frame waits for (encoder), and samples of later frames that a frame's first sample
  /// waits for (decoder), at most.
  std::int64_t encode_latency = 0;
  std::int64_t decode_latency = 0;
  std::int64_t parameters = 0;
  /// How long input is cut, in the family's own words: "causal stream", "segments of 60 s, each alone".
  std::string segmenting;

  [[nodiscard]] double frame_rate() const noexcept { return static_cast<double>(sample_rate) / hop; }
  [[nodiscard]] std::int64_t multiple(std::size_t level) const {
    return level_multiples.empty() ? 1 : level_multiples.at(level);
  }
};

/// Samples in, frames out. Any chunking gives the same codes.
class EncodeStream {
 public:
  virtual ~EncodeStream() = default;
  /// Float32 samples at the codec's rate, channels interleaved. Returns the codes completed by them, rows possibly
  /// empty.
  [[nodiscard]] virtual Codes push(std::span<const float> samples) = 0;
  /// Pads as the family's reference does and returns the remaining codes. `samples` holds the stream's total.
  [[nodiscard]] virtual Codes finish() = 0;
};

/// Frames in, samples out. Any chunking gives the same samples.
class DecodeStream {
 public:
  virtual ~DecodeStream() = default;
  /// Whole frames of row 0 (whole chunks where the codec has them); gives samples, channels interleaved.
  /// Throws InputError("bad_codes") for an id out of range or rows whose lengths do not fit each other.
  [[nodiscard]] virtual std::vector<float> push(const Codes& codes) = 0;
  [[nodiscard]] virtual std::vector<float> finish() = 0;
};

/// One loaded checkpoint: a description run as whole file, batch or stream with the same bits.
/// Const methods may run at once from several threads, each with its own Context.
class AudioCodec {
 public:
  virtual ~AudioCodec() = default;
  [[nodiscard]] virtual const AudioCodecInfo& info() const = 0;
  /// The first `levels` levels (0: all). Throws ArgumentError for more than the checkpoint has.
  [[nodiscard]] virtual std::unique_ptr<EncodeStream> encode_stream(Context& context, int levels = 0) const = 0;
  [[nodiscard]] virtual std::unique_ptr<DecodeStream> decode_stream(Context& context) const = 0;
};

/// A whole clip: float32 at the codec's rate, channels interleaved.
[[nodiscard]] Codes encode(const AudioCodec& codec, Context& context, std::span<const float> samples, int levels = 0);
/// Clips of unequal lengths; the same codes as one by one.
[[nodiscard]] std::vector<Codes> encode_batch(const AudioCodec& codec, Context& context,
                                              const std::vector<std::span<const float>>& clips, int levels = 0);
/// Trimmed to `codes.samples` where it is known.
[[nodiscard]] std::vector<float> decode(const AudioCodec& codec, Context& context, const Codes& codes);

/// Loads a checkpoint folder (or a single .safetensors with config.json beside it) for this context's device.
/// The family comes from config.json. Throws CheckpointError.
[[nodiscard]] std::unique_ptr<AudioCodec> load_audio_codec(Context& context, const std::string& path);

}  // namespace tessera
