#include "media/decoder.h"

#include <algorithm>
#include <set>
#include <string>

#include "media/fault.h"
#include "media/ffmpeg/demuxer.h"
#include "media/ffmpeg/frame_size.h"
#include "media/ffmpeg/library.h"
#include "media/ffmpeg/samples.h"
#include "media/ffmpeg_module.h"

namespace tessera::media::ffmpeg {
namespace {

constexpr double kSlack = 0.005;  // seconds a header may be wrong without a sound missing

class FfmpegDecoder final : public Decoder {
 public:
  FfmpegDecoder(std::unique_ptr<Source> source, const ReadOptions& options)
      : Decoder(std::move(source), options.allow_truncated), demuxer_(*source_, AVMEDIA_TYPE_AUDIO, options.stream) {
    open_codec();
    describe();
  }

  std::int64_t read(std::int64_t frames, float* out) override {
    if (used_ == frame_->nb_samples && !next_frame()) return 0;
    const std::int64_t count = std::min<std::int64_t>(frames, frame_->nb_samples - used_);
    if (!copy_samples(*frame_, info_.channels, used_, count, out)) corrupt("unknown sample format");
    used_ += count;
    return count;
  }

 private:
  void open_codec() {
    const AVCodecParameters& parameters = *demuxer_.stream().codecpar;
    const AVCodec* codec = avcodec_find_decoder(parameters.codec_id);
    if (codec == nullptr) {
      fail(name(), "unknown_format", std::string("FFmpeg has no decoder for ") + avcodec_get_name(parameters.codec_id));
    }
    codec_.reset(avcodec_alloc_context3(codec));
    avcodec_parameters_to_context(codec_.get(), &parameters);
    codec_->pkt_timebase = demuxer_.stream().time_base;
    codec_->thread_count = 1;
    codec_->flags |= AV_CODEC_FLAG_BITEXACT;
    codec_->err_recognition = AV_EF_CRCCHECK | AV_EF_EXPLODE;
    const int error = avcodec_open2(codec_.get(), codec, nullptr);
    if (error < 0) corrupt(message(error));
  }

  /// From the first decoded frame: some headers do not know (HE-AAC doubles the rate they tell).
  void describe() {
    const AVCodecParameters& parameters = *demuxer_.stream().codecpar;
    info_.container = demuxer_.input().iformat->name;
    info_.codec = avcodec_get_name(parameters.codec_id);
    info_.stream = demuxer_.ordinal();
    info_.streams = demuxer_.streams();
    const bool any = next_frame();
    info_.sample_rate = any ? frame_->sample_rate : parameters.sample_rate;
    info_.channels = any ? frame_->ch_layout.nb_channels : parameters.ch_layout.nb_channels;
    if (info_.sample_rate <= 0 || info_.channels <= 0) corrupt("no sample rate or channels");
    info_.samples = any ? -1 : 0;
    info_.seconds = header_seconds();
    read_tags(demuxer_.input().metadata);
    read_tags(demuxer_.stream().metadata);
  }

  void read_tags(const AVDictionary* metadata) {
    const AVDictionaryEntry* entry = nullptr;
    while ((entry = av_dict_get(metadata, "", entry, AV_DICT_IGNORE_SUFFIX)) != nullptr) {
      info_.tags.emplace_back(entry->key, entry->value);
    }
  }

  [[nodiscard]] double header_seconds() const {
    const AVStream& stream = demuxer_.stream();
    if (stream.duration > 0) return static_cast<double>(stream.duration) * av_q2d(stream.time_base);
    const std::int64_t whole = demuxer_.input().duration;
    return whole > 0 ? static_cast<double>(whole) / AV_TIME_BASE : -1;
  }

  bool next_frame() {
    used_ = 0;
    while (!finished_) {
      const int result = avcodec_receive_frame(codec_.get(), frame_.get());
      if (result == 0) return accept_frame();
      if (result == AVERROR(EAGAIN))
        feed();
      else if (result == AVERROR_EOF)
        finish();
      else
        trouble(message(result));
    }
    frame_->nb_samples = 0;
    return false;
  }

  bool accept_frame() {
    const bool same = frame_->sample_rate == info_.sample_rate && frame_->ch_layout.nb_channels == info_.channels;
    if (info_.sample_rate > 0 && !same) corrupt("the sample rate or the channels change" + place());
    decoded_ += frame_->nb_samples;
    return true;
  }

  void feed() {
    forget_message();
    int error = 0;
    if (!demuxer_.next(*packet_, error)) {
      avcodec_send_packet(codec_.get(), nullptr);
      return;
    }
    if (error == 0 && packet_->size == 0) return;  // some containers mark a change or the end so
    if (error == 0 && is_cut(*packet_)) return trouble("too short");
    if (error == 0 && packet_->pts != AV_NOPTS_VALUE) end_ = packet_->pts + packet_->duration;
    if (error == 0) error = avcodec_send_packet(codec_.get(), packet_.get());
    if (error < 0) trouble(message(error));
  }

  [[nodiscard]] bool is_cut(const AVPacket& packet) const {
    if ((packet.flags & AV_PKT_FLAG_CORRUPT) != 0) return true;
    const auto size = static_cast<std::size_t>(packet.size);
    if (codec_->codec_id == AV_CODEC_ID_AC3) return size < ac3_frame_bytes(packet.data, size);
    if (codec_->codec_id == AV_CODEC_ID_AAC) return size >= 6 && size < adts_frame_bytes(packet.data);
    return is_mpeg() && (size < 4 || size < mpeg_frame_bytes(packet.data));
  }

  [[nodiscard]] bool is_mpeg() const {
    return codec_->codec_id == AV_CODEC_ID_MP3 || codec_->codec_id == AV_CODEC_ID_MP2 ||
           codec_->codec_id == AV_CODEC_ID_MP1;
  }

  [[nodiscard]] std::string cut_name() const { return is_mpeg() ? "MPEG frame" : info_.codec + " packet"; }

  /// What cannot be decoded is missing at the end of a file and damaged anywhere else. Bytes that do not even begin
  /// like a frame are no sound at the end: padding, or the tags of some program.
  void trouble(const std::string& what) {
    int error = 0;
    const bool is_padding = is_mpeg() && packet_->size > 0 && packet_->data[0] != 0xFF;
    if (demuxer_.next(*packet_, error)) corrupt("damaged " + cut_name() + place() + " (" + what + ")");
    if (is_padding) return finish();
    finished_ = true;
    truncated("truncated " + cut_name() + place());
  }

  void finish() {
    finished_ = true;
    const AVStream& stream = demuxer_.stream();
    if (!tells_length()) return;
    const double missing = static_cast<double>(stream.duration - end_) * av_q2d(stream.time_base);
    if (missing > kSlack) {
      truncated("truncated: the sound ends" + place() + ", its header says " + seconds_text(info_.seconds));
    }
  }

  /// Whether the stream's duration is the header's own count, not a guess from bit rates or time stamps.
  [[nodiscard]] bool tells_length() const {
    static const std::set<std::string> kContainers = {"mp3", "mov,mp4,m4a,3gp,3g2,mj2", "tta", "wv", "ape"};
    return kContainers.count(info_.container) != 0 && demuxer_.stream().duration > 0 &&
           demuxer_.input().duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
  }

  [[nodiscard]] std::string place() const {
    const int rate = info_.sample_rate > 0 ? info_.sample_rate : std::max(1, codec_->sample_rate);
    return " at " + seconds_text(decoded_, rate);
  }
  [[noreturn]] void corrupt(const std::string& what) const { fail(name(), "corrupt_media", what); }

  Demuxer demuxer_;
  Codec codec_;
  Packet packet_{av_packet_alloc()};
  Frame frame_{av_frame_alloc()};
  std::int64_t used_ = 0;     // samples of the frame that were read
  std::int64_t end_ = 0;      // of the last packet, in the stream's time base
  std::int64_t decoded_ = 0;  // samples of all frames so far
  bool finished_ = false;
};

}  // namespace
}  // namespace tessera::media::ffmpeg

extern "C" __attribute__((visibility("default"))) tessera::media::Decoder* tessera_open_ffmpeg(
    std::unique_ptr<tessera::media::Source>& source, const tessera::media::ReadOptions& options) {
  tessera::media::ffmpeg::initialize();
  return new tessera::media::ffmpeg::FfmpegDecoder(std::move(source), options);
}
