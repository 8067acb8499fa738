#include "codec/audio/chunked_stream.h"

#include <algorithm>

#include "kernels/error.h"

namespace tessera {

int checked_levels(const AudioCodecInfo& info, int levels) {
  if (levels >= 0 && levels <= info.levels) return levels == 0 ? info.levels : levels;
  throw ArgumentError("levels must be 1 to " + std::to_string(info.levels) + " for this checkpoint, is " +
                      std::to_string(levels));
}

Codes no_codes(int levels) {
  Codes codes;
  codes.rows.resize(static_cast<std::size_t>(levels));
  return codes;
}

void check_codes(const AudioCodecInfo& info, const Codes& codes) {
  const auto fail = [](const std::string& what) { throw InputError("bad_codes", "codes: " + what); };
  if (codes.rows.empty() || codes.rows.size() > static_cast<std::size_t>(info.levels)) {
    fail(std::to_string(codes.rows.size()) + " levels, this codec has 1 to " + std::to_string(info.levels));
  }
  for (std::size_t level = 0; level < codes.rows.size(); ++level) {
    const auto& row = codes.rows[level];
    const std::int64_t ids = codes.frames() * info.multiple(level);
    if (static_cast<std::int64_t>(row.size()) != ids) {
      fail("level " + std::to_string(level) + " has " + std::to_string(row.size()) + " ids where level 0 asks for " +
           std::to_string(ids));
    }
    for (const std::int32_t id : row) {
      if (id >= 0 && id < info.codebook_sizes[level]) continue;
      fail("level " + std::to_string(level) + " holds id " + std::to_string(id) + ", its codebook has " +
           std::to_string(info.codebook_sizes[level]) + " entries");
    }
  }
}

Codes slice_codes(const AudioCodecInfo& info, const Codes& codes, std::int64_t first, std::int64_t count) {
  Codes part;
  for (std::size_t level = 0; level < codes.rows.size(); ++level) {
    const auto from = codes.rows[level].begin() + first * info.multiple(level);
    part.rows.emplace_back(from, from + count * info.multiple(level));
  }
  return part;
}

void append_codes(Codes& codes, const Codes& more) {
  if (codes.rows.size() < more.rows.size()) codes.rows.resize(more.rows.size());
  for (std::size_t level = 0; level < more.rows.size(); ++level) {
    codes.rows[level].insert(codes.rows[level].end(), more.rows[level].begin(), more.rows[level].end());
  }
  codes.chunks.insert(codes.chunks.end(), more.chunks.begin(), more.chunks.end());
  codes.scales.insert(codes.scales.end(), more.scales.begin(), more.scales.end());
}

ChunkedEncodeStream::ChunkedEncodeStream(Context& context, std::unique_ptr<ChunkEncoder> encoder,
                                         const AudioCodecInfo& info, int levels, std::int64_t pad_to,
                                         std::int64_t chunk_frames)
    : context_(context),
      encoder_(std::move(encoder)),
      channels_(info.channels),
      levels_(levels),
      pad_to_(pad_to),
      hop_(static_cast<std::int64_t>(info.hop) * info.channels),
      chunk_(chunk_frames * hop_) {}

Codes ChunkedEncodeStream::push(std::span<const float> samples) {
  total_ += static_cast<std::int64_t>(samples.size());
  pending_.insert(pending_.end(), samples.begin(), samples.end());
  Codes codes = no_codes(levels_);
  encode_pending(codes);
  return codes;
}

void ChunkedEncodeStream::encode_pending(Codes& codes) {
  const auto whole = static_cast<std::int64_t>(pending_.size()) / hop_ * hop_;
  for (std::int64_t at = 0; at < whole; at += chunk_) {
    context_.check_interrupt();
    const std::int64_t count = std::min(chunk_, whole - at);
    append_codes(codes, encoder_->encode({pending_.data() + at, static_cast<std::size_t>(count)}, false));
  }
  pending_.erase(pending_.begin(), pending_.begin() + whole);
}

Codes ChunkedEncodeStream::finish() {
  const std::int64_t samples = total_ / channels_;
  const std::int64_t missing = (pad_to_ - samples % pad_to_) % pad_to_ * channels_;
  pending_.insert(pending_.end(), static_cast<std::size_t>(missing), 0.0F);
  Codes codes = no_codes(levels_);
  encode_pending(codes);
  if (total_ != 0) append_codes(codes, encoder_->encode(pending_, true));
  pending_.clear();
  codes.samples = samples;
  return codes;
}

ChunkedDecodeStream::ChunkedDecodeStream(Context& context, std::unique_ptr<ChunkDecoder> decoder,
                                         const AudioCodecInfo& info, std::int64_t chunk_frames)
    : context_(context), decoder_(std::move(decoder)), info_(info), chunk_(chunk_frames) {}

std::vector<float> ChunkedDecodeStream::push(const Codes& codes) {
  check_codes(info_, codes);
  if (levels_ == 0) levels_ = codes.rows.size();
  if (levels_ != codes.rows.size()) {
    throw InputError("bad_codes", "codes: the stream began with " + std::to_string(levels_) + " levels, now " +
                                      std::to_string(codes.rows.size()));
  }
  std::vector<float> samples;
  const std::int64_t frames = codes.frames();
  for (std::int64_t at = 0; at < frames; at += chunk_) {
    context_.check_interrupt();
    const std::vector<float> part = decoder_->decode(slice_codes(info_, codes, at, std::min(chunk_, frames - at)));
    samples.insert(samples.end(), part.begin(), part.end());
  }
  return samples;
}

std::vector<float> ChunkedDecodeStream::finish() { return decoder_->finish(); }

}  // namespace tessera
