#include <utility>

#include "media/fault.h"
#include "media/ffmpeg/demuxer.h"
#include "media/ffmpeg/picture.h"
#include "media/video_decoder.h"

namespace tessera::media::ffmpeg {
namespace {

class FfmpegVideo final : public VideoDecoder {
 public:
  FfmpegVideo(std::unique_ptr<Source>& source, int stream, std::int64_t max_pixels)
      : name_(source->name()), demuxer_(*source, AVMEDIA_TYPE_VIDEO, stream), max_pixels_(max_pixels) {
    describe();
    check_size(info_.rows, info_.columns);
    open_codec();
    source_ = std::move(source);
  }
  [[nodiscard]] const VideoInfo& info() const override { return info_; }

  bool peek(double& time) override {
    if (!waiting_ && !decode()) return false;
    waiting_ = true;
    time = time_of(*next_);
    return true;
  }

  void take() override {
    av_frame_unref(current_.get());
    av_frame_move_ref(current_.get(), next_.get());
    waiting_ = false;
  }

  [[nodiscard]] double end() const override {
    const double step = static_cast<double>(current_->pkt_duration) * av_q2d(demuxer_.stream().time_base);
    if (step > 0) return time_of(*current_) + step;
    return time_of(*current_) + (info_.frame_rate > 0 ? 1 / info_.frame_rate : 0);
  }

  [[nodiscard]] Pixels picture() override {
    Pixels pixels;
    if (!converter_.convert(*current_, pixels)) fail(name_, "unsupported_media", "an unknown pixel format");
    return pixels;
  }

 private:
  void describe() {
    const AVStream& stream = demuxer_.stream();
    info_.container = demuxer_.input().iformat->name;
    info_.codec = avcodec_get_name(stream.codecpar->codec_id);
    info_.rows = stream.codecpar->height;
    info_.columns = stream.codecpar->width;
    info_.orientation = orientation_of(stream);
    info_.frame_rate = stream.avg_frame_rate.den > 0 ? av_q2d(stream.avg_frame_rate) : 0;
    if (stream.duration > 0) info_.seconds = static_cast<double>(stream.duration) * av_q2d(stream.time_base);
    info_.stream = demuxer_.ordinal();
    info_.streams = demuxer_.streams();
  }

  /// Quarter turns; FFmpeg's angle runs against the clock.
  static int orientation_of(const AVStream& stream) {
    const std::uint8_t* matrix = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr);
    if (matrix == nullptr) return 1;
    const double angle = av_display_rotation_get(reinterpret_cast<const std::int32_t*>(matrix));
    const double turned = angle < 0 ? -angle : 360 - angle;
    if (turned > 45 && turned < 135) return 6;
    if (turned >= 135 && turned < 225) return 3;
    return turned >= 225 && turned < 315 ? 8 : 1;
  }

  void check_size(int rows, int columns) const {
    const std::int64_t pixels = std::int64_t{rows} * columns;
    if (rows <= 0 || columns <= 0) fail(name_, "corrupt_media", "its header gives no size");
    if (pixels <= max_pixels_) return;
    fail(name_, "too_large",
         std::to_string(pixels) + " pixels a frame, more than the limit of " + std::to_string(max_pixels_));
  }

  void open_codec() {
    const AVCodecParameters& parameters = *demuxer_.stream().codecpar;
    const AVCodec* codec = avcodec_find_decoder(parameters.codec_id);
    if (codec == nullptr) {
      fail(name_, "unknown_format", std::string("FFmpeg has no decoder for ") + avcodec_get_name(parameters.codec_id));
    }
    codec_.reset(avcodec_alloc_context3(codec));
    avcodec_parameters_to_context(codec_.get(), &parameters);
    codec_->pkt_timebase = demuxer_.stream().time_base;
    codec_->thread_count = 1;
    codec_->max_pixels = 2 * max_pixels_ + (1 << 16);  // FFmpeg counts padding; accept() is strict
    codec_->flags |= AV_CODEC_FLAG_BITEXACT;
    codec_->err_recognition = AV_EF_CRCCHECK | AV_EF_EXPLODE;
    const int error = avcodec_open2(codec_.get(), codec, nullptr);
    if (error < 0) fail(name_, "corrupt_media", message(error));
  }

  bool decode() {
    for (;;) {
      const int result = avcodec_receive_frame(codec_.get(), next_.get());
      if (result == AVERROR_EOF) return false;
      if (result == 0) return accept();
      if (result != AVERROR(EAGAIN)) damaged(result);
      feed();
    }
  }

  bool accept() {
    check_size(next_->height, next_->width);
    // Some decoders paint over damage and only say so.
    const bool concealed = next_->decode_error_flags != 0 || (next_->flags & AV_FRAME_FLAG_CORRUPT) != 0;
    if (concealed || has_message()) damaged(AVERROR_INVALIDDATA);
    if (first_ == AV_NOPTS_VALUE) first_ = next_->best_effort_timestamp;
    ++frames_;
    return true;
  }

  void feed() {
    forget_message();
    int error = 0;
    if (!demuxer_.next(*packet_, error)) {
      avcodec_send_packet(codec_.get(), nullptr);
      return;
    }
    if (error == 0 && packet_->size > 0) error = avcodec_send_packet(codec_.get(), packet_.get());
    if (error == 0 && (packet_->flags & AV_PKT_FLAG_CORRUPT) != 0) error = AVERROR_INVALIDDATA;
    if (error < 0) damaged(error);
  }

  [[noreturn]] void damaged(int error) const {
    fail(name_, "corrupt_media", "damaged video after " + std::to_string(frames_) + " frames (" + message(error) + ")");
  }

  [[nodiscard]] double time_of(const AVFrame& frame) const {
    if (frame.best_effort_timestamp == AV_NOPTS_VALUE || first_ == AV_NOPTS_VALUE) return 0;
    return static_cast<double>(frame.best_effort_timestamp - first_) * av_q2d(demuxer_.stream().time_base);
  }

  std::string name_;
  std::unique_ptr<Source> source_;  // what demuxer_ reads, once construction has succeeded
  Demuxer demuxer_;
  std::int64_t max_pixels_;
  VideoInfo info_;
  Codec codec_;
  Packet packet_{av_packet_alloc()};
  Frame current_{av_frame_alloc()};
  Frame next_{av_frame_alloc()};
  PictureConverter converter_;
  std::int64_t first_ = AV_NOPTS_VALUE;
  std::int64_t frames_ = 0;
  bool waiting_ = false;
};

}  // namespace
}  // namespace tessera::media::ffmpeg

extern "C" __attribute__((visibility("default"))) tessera::media::VideoDecoder* tessera_open_ffmpeg_video(
    std::unique_ptr<tessera::media::Source>& source, int stream, std::int64_t max_pixels) {
  tessera::media::ffmpeg::initialize();
  return new tessera::media::ffmpeg::FfmpegVideo(source, stream, max_pixels);
}
