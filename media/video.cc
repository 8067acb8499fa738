#include "media/video.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "kernels/error.h"
#include "media/ffmpeg_module.h"
#include "media/image/header.h"
#include "media/module.h"
#include "media/video_decoder.h"

namespace tessera::media {
namespace {

constexpr double kSlack = 1e-6;  // seconds: time stamps are rounded to their time base

class Selection final : public VideoReader {
 public:
  Selection(std::unique_ptr<VideoDecoder> decoder, const VideoReadOptions& options)
      : decoder_(std::move(decoder)), options_(options) {}
  [[nodiscard]] const VideoInfo& info() const override { return decoder_->info(); }

  bool read(VideoFrame& out) override {
    const bool found = options_.fps > 0 ? find_by_clock(out.time) : find_next(out.time);
    if (found) out.image = upright(to_rgb(decoder_->picture()), info().orientation);
    return found;
  }

 private:
  [[nodiscard]] bool is_over(double time) const {
    return options_.duration && time >= options_.start + *options_.duration - kSlack;
  }

  bool find_next(double& time) {
    while (decoder_->peek(time)) {
      if (is_over(time)) return false;
      decoder_->take();
      if (time >= options_.start - kSlack) return true;
    }
    return false;
  }

  bool find_by_clock(double& time) {
    time = options_.start + static_cast<double>(count_) / options_.fps;
    if (is_over(time)) return false;
    bool more = false;
    for (double next = 0; (more = decoder_->peek(next)) && (!any_ || next <= time + kSlack);) {
      decoder_->take();
      any_ = true;
    }
    ++count_;
    return any_ && (more || time < decoder_->end() - kSlack);
  }

  std::unique_ptr<VideoDecoder> decoder_;
  VideoReadOptions options_;
  std::int64_t count_ = 0;
  bool any_ = false;
};

void check(const VideoReadOptions& options) {
  if (!(options.start >= 0) || !std::isfinite(options.start)) throw ArgumentError("the start must be 0 s or later");
  if (options.duration && !(*options.duration > 0)) throw ArgumentError("the duration must be positive");
  if (!(options.fps >= 0) || !std::isfinite(options.fps)) throw ArgumentError("the frames a second must be positive");
  if (options.max_pixels <= 0) throw ArgumentError("the limit of a frame's pixels must be positive");
}

/// A file in memory as a source.
class EncodedSource final : public Source {
 public:
  explicit EncodedSource(const Encoded& file) : file_(file) {}
  [[nodiscard]] const std::string& name() const override { return file_.name; }
  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(file_.bytes.size()); }
  [[nodiscard]] std::int64_t position() const override { return static_cast<std::int64_t>(at_); }
  void seek(std::int64_t position) override { at_ = static_cast<std::size_t>(position); }
  std::size_t read(void* out, std::size_t bytes) override {
    const std::size_t left = at_ < file_.bytes.size() ? file_.bytes.size() - at_ : 0;
    const std::size_t count = bytes < left ? bytes : left;
    if (count > 0) std::memcpy(out, file_.bytes.data() + at_, count);
    at_ += count;
    return count;
  }

 private:
  const Encoded& file_;
  std::size_t at_ = 0;
};

}  // namespace

std::unique_ptr<VideoDecoder> open_ffmpeg_video(std::unique_ptr<Source> source, int stream, std::int64_t max_pixels) {
  static auto* const open = reinterpret_cast<OpenFfmpegVideo*>(
      load_symbol(kFfmpegModule, kOpenFfmpegVideoSymbol, "reads GIF and videos", source->name()));
  return std::unique_ptr<VideoDecoder>(open(source, stream, max_pixels));
}

Pixels decode_gif(const Encoded& file, const ImageReadOptions& options, std::string& /*warning*/) {
  const auto decoder = open_ffmpeg_video(std::make_unique<EncodedSource>(file), -1, options.max_pixels);
  double time = 0;
  if (!decoder->peek(time)) throw InputError("corrupt_media", file.name + ": the GIF's first picture is damaged");
  decoder->take();
  return decoder->picture();
}

std::unique_ptr<VideoReader> open_video(const std::string& path, const VideoReadOptions& options) {
  check(options);
  std::unique_ptr<Source> source = open_source(path);
  if (source->is_pipe()) source = spool(*source);
  return std::make_unique<Selection>(open_ffmpeg_video(std::move(source), options.stream, options.max_pixels), options);
}

}  // namespace tessera::media
