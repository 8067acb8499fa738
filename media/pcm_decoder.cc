#include <algorithm>

#include "media/decoder.h"
#include "media/fault.h"
#include "media/pcm.h"
#include "media/wav_header.h"

namespace tessera::media {
namespace {

constexpr std::int64_t kBlockBytes = 1 << 16;

/// Plain samples from `data_begin` on: WAV behind its header, and raw PCM.
class PcmDecoder final : public Decoder {
 public:
  PcmDecoder(std::unique_ptr<Source> source, const WavHeader& header, const char* container, bool allow_truncated)
      : Decoder(std::move(source), allow_truncated),
        sample_(header.sample),
        frame_bytes_(static_cast<std::int64_t>(pcm_bytes(header.sample)) * header.channels) {
    info_.container = container;
    info_.codec = pcm_name(header.sample);
    info_.sample_rate = header.sample_rate;
    info_.channels = header.channels;
    claimed_ = header.data_bytes < 0 ? -1 : header.data_bytes / frame_bytes_;
    const std::int64_t held = source_->is_pipe() ? -1 : (source_->size() - header.data_begin) / frame_bytes_;
    if (claimed_ > held && held >= 0) too_short(held);
    info_.samples = held < 0 ? claimed_ : claimed_ < 0 ? held : std::min(held, claimed_);
    if (info_.samples >= 0) info_.seconds = static_cast<double>(info_.samples) / info_.sample_rate;
  }

  std::int64_t read(std::int64_t frames, float* out) override {
    frames = std::min({frames, left(), std::max<std::int64_t>(1, kBlockBytes / frame_bytes_)});
    block_.resize(static_cast<std::size_t>(frames * frame_bytes_));
    const auto bytes = static_cast<std::int64_t>(source_->read(block_.data(), block_.size()));
    const std::int64_t got = bytes / frame_bytes_;
    pcm_to_float(sample_, block_.data(), static_cast<std::size_t>(got * info_.channels), out);
    position_ += got;
    if (got < frames) check_end(bytes % frame_bytes_);
    return got;
  }

  std::int64_t skip(std::int64_t frames) override {
    if (info_.samples < 0) return 0;
    frames = std::min(frames, info_.samples - position_);
    const std::int64_t begin = source_->position();
    source_->seek(begin + frames * frame_bytes_);
    frames = (source_->position() - begin) / frame_bytes_;  // a pipe may hold less than its header claims
    position_ += frames;
    return frames;
  }

 private:
  [[nodiscard]] std::int64_t left() const { return claimed_ < 0 ? INT64_MAX : claimed_ - position_; }

  void check_end(std::int64_t partial_frame) {
    if (claimed_ >= 0) return too_short(position_);
    if (partial_frame != 0) {
      truncated("truncated inside a sample at " + seconds_text(position_, info_.sample_rate));
    }
  }

  void too_short(std::int64_t held) { truncated("truncated: " + ends_early(held, claimed_, info_.sample_rate)); }

  Pcm sample_;
  std::int64_t frame_bytes_;
  std::int64_t claimed_ = -1;  // frames by the header; -1: to the end
  std::int64_t position_ = 0;  // frames read
  std::vector<unsigned char> block_;
};

}  // namespace

std::unique_ptr<Decoder> open_wav(std::unique_ptr<Source>& source, bool allow_truncated) {
  const auto header = read_wav_header(*source);
  if (!header) {
    source->seek(0);
    return nullptr;
  }
  return std::make_unique<PcmDecoder>(std::move(source), *header, "wav", allow_truncated);
}

std::unique_ptr<Decoder> open_raw_pcm(std::unique_ptr<Source> source, const RawFormat& format, bool allow_truncated) {
  if (format.sample_rate <= 0) throw ArgumentError("raw PCM needs a sample rate: --rate");
  if (format.channels <= 0) throw ArgumentError("raw PCM needs at least one channel");
  WavHeader header;
  header.sample = format.sample == RawFormat::Sample::s16 ? Pcm::s16 : Pcm::f32;
  header.sample_rate = format.sample_rate;
  header.channels = format.channels;
  return std::make_unique<PcmDecoder>(std::move(source), header, "raw", allow_truncated);
}

}  // namespace tessera::media
