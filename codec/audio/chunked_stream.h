#pragma once

#include <memory>
#include <span>
#include <vector>

#include "codec/codec.h"

namespace tessera {

/// The number of levels to encode: all for 0. Throws ArgumentError for more than the codec has.
[[nodiscard]] int checked_levels(const AudioCodecInfo& info, int levels);
/// `levels` empty rows.
[[nodiscard]] Codes no_codes(int levels);
/// Throws InputError("bad_codes") unless there are 1 to info.levels rows whose lengths fit each other, ids in range.
void check_codes(const AudioCodecInfo& info, const Codes& codes);

/// What a causal or local codec adds to the streams below: a chunk through the network.
class ChunkEncoder {
 public:
  virtual ~ChunkEncoder() = default;
  /// The codes that `samples` complete, channels interleaved. Chunks are whole frames but for the `last` one, which may
  /// be of any length, also empty.
  [[nodiscard]] virtual Codes encode(std::span<const float> samples, bool last) = 0;
};

class ChunkDecoder {
 public:
  virtual ~ChunkDecoder() = default;
  [[nodiscard]] virtual std::vector<float> decode(const Codes& codes) = 0;
  /// Samples held back until the end is known.
  [[nodiscard]] virtual std::vector<float> finish() { return {}; }
};

/// Cuts any input into chunks of whole frames.
class ChunkedEncodeStream final : public EncodeStream {
 public:
  /// The end is padded with zeros to a multiple of `pad_to` samples (1: as it is). `chunk_frames` frames of row 0 are
  /// one chunk.
  ChunkedEncodeStream(Context& context, std::unique_ptr<ChunkEncoder> encoder, const AudioCodecInfo& info, int levels,
                      std::int64_t pad_to, std::int64_t chunk_frames);
  [[nodiscard]] Codes push(std::span<const float> samples) override;
  [[nodiscard]] Codes finish() override;

 private:
  void encode_pending(Codes& codes);

  Context& context_;
  std::unique_ptr<ChunkEncoder> encoder_;
  int channels_;
  int levels_;
  std::int64_t pad_to_;
  std::int64_t hop_;    // values (samples of all channels)
  std::int64_t chunk_;  // values
  std::int64_t total_ = 0;
  std::vector<float> pending_;
};

/// Checks the ids and cuts them into chunks.
class ChunkedDecodeStream final : public DecodeStream {
 public:
  ChunkedDecodeStream(Context& context, std::unique_ptr<ChunkDecoder> decoder, const AudioCodecInfo& info,
                      std::int64_t chunk_frames);
  [[nodiscard]] std::vector<float> push(const Codes& codes) override;
  [[nodiscard]] std::vector<float> finish() override;

 private:
  Context& context_;
  std::unique_ptr<ChunkDecoder> decoder_;
  const AudioCodecInfo& info_;
  std::int64_t chunk_;
  std::size_t levels_ = 0;
};

/// Frames [first, first + count) of row 0 and what stands for them in the other rows.
[[nodiscard]] Codes slice_codes(const AudioCodecInfo& info, const Codes& codes, std::int64_t first, std::int64_t count);
/// Appends the rows, chunks and scales of `more` to those of `codes`.
void append_codes(Codes& codes, const Codes& more);

}  // namespace tessera
