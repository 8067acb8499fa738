#include <algorithm>
#include <cmath>

#include "media/decoder.h"
#include "media/fault.h"

namespace tessera::media {
namespace {

constexpr std::int64_t kWindowBlock = 1 << 16;  // samples of all channels

std::int64_t samples_in(double seconds, int sample_rate) {
  const double samples = std::round(seconds * sample_rate);
  return samples < 9e18 ? static_cast<std::int64_t>(samples) : INT64_MAX;
}

class Window final : public AudioReader {
 public:
  Window(std::unique_ptr<Decoder> decoder, const ReadOptions& options) : decoder_(std::move(decoder)) {
    first_ = samples_in(options.start, info().sample_rate);
    if (options.duration) left_ = samples_in(*options.duration, info().sample_rate);
    if (options.stream >= info().streams) no_such_stream(options.stream);
    if (info().samples == 0) no_samples();
  }

  [[nodiscard]] const AudioInfo& info() const override { return decoder_->info(); }
  [[nodiscard]] std::string warning() const override { return decoder_->warning(); }

  std::int64_t read(std::int64_t frames, std::vector<float>& out) override {
    go_to_start();
    const std::int64_t wanted = std::min(frames, left_);
    std::int64_t done = 0;
    while (done < wanted) {
      const std::int64_t got = read_block(std::min(block_frames(), wanted - done), out);
      if (got == 0) break;
      done += got;
    }
    left_ -= done;
    return done;
  }

 private:
  std::int64_t read_block(std::int64_t frames, std::vector<float>& out) {
    const std::size_t before = out.size();
    const auto channels = static_cast<std::size_t>(info().channels);
    out.resize(before + static_cast<std::size_t>(frames) * channels);
    const std::int64_t got = decoder_->read(frames, out.data() + before);
    out.resize(before + static_cast<std::size_t>(got) * channels);
    check(out.data() + before, out.size() - before);
    position_ += got;
    if (got == 0 && position_ <= first_) nothing_left();
    return got;
  }

  /// Once, at the first read: what is decoded only to be passed over need not be finite.
  void go_to_start() {
    if (position_ >= first_) return;
    position_ = decoder_->skip(first_);
    std::vector<float> passed(static_cast<std::size_t>(block_frames()) * static_cast<std::size_t>(info().channels));
    while (position_ < first_) {
      const std::int64_t got = decoder_->read(std::min(block_frames(), first_ - position_), passed.data());
      if (got == 0) nothing_left();
      position_ += got;
    }
  }

  /// A header may claim 65535 channels: what a block may hold is counted in samples.
  [[nodiscard]] std::int64_t block_frames() const { return std::max<std::int64_t>(1, kWindowBlock / info().channels); }

  void check(const float* samples, std::size_t count) const {
    const auto* bad = std::find_if_not(samples, samples + count, [](float x) { return std::isfinite(x); });
    if (bad == samples + count) return;
    const std::int64_t frame = position_ + (bad - samples) / info().channels;
    fail(decoder_->name(), "bad_sample",
         std::string(std::isnan(*bad) ? "NaN" : "infinity") + " at sample " + std::to_string(frame) + " (" +
             seconds_text(frame, info().sample_rate) + "), channel " +
             std::to_string((bad - samples) % info().channels));
  }

  [[noreturn]] void nothing_left() const {
    if (position_ == 0) no_samples();
    fail(decoder_->name(), "empty_media",
         "nothing to read from " + seconds_text(first_, info().sample_rate) + " on: the sound ends at " +
             seconds_text(position_, info().sample_rate));
  }
  [[noreturn]] void no_such_stream(int wanted) const {
    fail(decoder_->name(), "no_audio",
         "no audio stream " + std::to_string(wanted) + ": the file has " + std::to_string(info().streams));
  }
  [[noreturn]] void no_samples() const { fail(decoder_->name(), "empty_media", "the file holds no samples"); }

  std::unique_ptr<Decoder> decoder_;
  std::int64_t first_ = 0;
  std::int64_t left_ = INT64_MAX;
  std::int64_t position_ = 0;  // frames decoded or skipped since the file's beginning
};

}  // namespace

void check(const ReadOptions& options) {
  if (!(options.start >= 0) || !std::isfinite(options.start)) throw ArgumentError("the start must be 0 s or later");
  if (options.duration && !(*options.duration > 0)) throw ArgumentError("the duration must be more than 0 s");
  if (options.stream < -1) throw ArgumentError("an audio stream is chosen by a number from 0 on");
}

std::unique_ptr<AudioReader> window(std::unique_ptr<Decoder> decoder, const ReadOptions& options) {
  return std::make_unique<Window>(std::move(decoder), options);
}

}  // namespace tessera::media
