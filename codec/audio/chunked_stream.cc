#include "codec/audio/chunked_stream.h"

#include <algorithm>

#include "codec/quantizer/residual.h"
#include "kernels/error.h"

namespace tessera {

int checked_levels(const AudioCodecInfo& info, int levels) {
  if (levels >= 0 && levels <= info.levels) return levels == 0 ? info.levels : levels;
  throw ArgumentError("levels must be 1 to " + std::to_string(info.levels) + " for this checkpoint, is " +
                      std::to_string(levels));
}

Codes slice_codes(const Codes& codes, std::int64_t first, std::int64_t count) {
  Codes part;
  for (const auto& row : codes.rows) part.rows.emplace_back(row.begin() + first, row.begin() + first + count);
  return part;
}

void append_codes(Codes& codes, const Codes& more) {
  if (codes.rows.size() < more.rows.size()) codes.rows.resize(more.rows.size());
  for (std::size_t level = 0; level < more.rows.size(); ++level) {
    codes.rows[level].insert(codes.rows[level].end(), more.rows[level].begin(), more.rows[level].end());
  }
}

ChunkedEncodeStream::ChunkedEncodeStream(Context& context, std::unique_ptr<ChunkEncoder> encoder, int levels,
                                         std::int64_t hop, std::int64_t chunk_frames)
    : context_(context), encoder_(std::move(encoder)), levels_(levels), hop_(hop), chunk_(chunk_frames * hop) {}

Codes ChunkedEncodeStream::push(std::span<const float> samples) {
  total_ += static_cast<std::int64_t>(samples.size());
  pending_.insert(pending_.end(), samples.begin(), samples.end());
  Codes codes;
  codes.rows.resize(static_cast<std::size_t>(levels_));
  encode_pending(codes);
  return codes;
}

void ChunkedEncodeStream::encode_pending(Codes& codes) {
  const auto whole = static_cast<std::int64_t>(pending_.size()) / hop_ * hop_;
  for (std::int64_t at = 0; at < whole; at += chunk_) {
    context_.check_interrupt();
    const std::int64_t count = std::min(chunk_, whole - at);
    append_codes(codes, encoder_->encode({pending_.data() + at, static_cast<std::size_t>(count)}));
  }
  pending_.erase(pending_.begin(), pending_.begin() + whole);
}

Codes ChunkedEncodeStream::finish() {
  const auto rest = static_cast<std::int64_t>(pending_.size()) % hop_;
  if (rest != 0) pending_.insert(pending_.end(), static_cast<std::size_t>(hop_ - rest), 0.0F);
  Codes codes;
  codes.rows.resize(static_cast<std::size_t>(levels_));
  encode_pending(codes);
  codes.samples = total_;
  return codes;
}

ChunkedDecodeStream::ChunkedDecodeStream(Context& context, std::unique_ptr<ChunkDecoder> decoder,
                                         std::vector<int> codebook_sizes, std::int64_t chunk_frames)
    : context_(context), decoder_(std::move(decoder)), sizes_(std::move(codebook_sizes)), chunk_(chunk_frames) {}

std::vector<float> ChunkedDecodeStream::push(const Codes& codes) {
  check_codes(codes, sizes_);
  if (levels_ == 0) levels_ = codes.rows.size();
  if (levels_ != codes.rows.size()) {
    throw InputError("bad_codes", "codes: the stream began with " + std::to_string(levels_) + " levels, now " +
                                      std::to_string(codes.rows.size()));
  }
  std::vector<float> samples;
  for (std::int64_t at = 0; at < codes.frames(); at += chunk_) {
    context_.check_interrupt();
    const std::vector<float> part = decoder_->decode(slice_codes(codes, at, std::min(chunk_, codes.frames() - at)));
    samples.insert(samples.end(), part.begin(), part.end());
  }
  return samples;
}

std::vector<float> ChunkedDecodeStream::finish() { return decoder_->finish(); }

}  // namespace tessera
