#include "media/ffmpeg/demuxer.h"

#include <cerrno>
#include <utility>

#include "media/fault.h"

namespace tessera::media::ffmpeg {
namespace {

constexpr int kBufferBytes = 1 << 15;

/// A playlist could name other files, or the network: only the bytes given are read.
int refuse_to_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) { return AVERROR(EPERM); }

}  // namespace

Demuxer::Demuxer(Source& source, AVMediaType kind, int wanted_stream) : source_(source), kind_(kind) {
  open();
  choose(wanted_stream);
}

int Demuxer::read(void* self, std::uint8_t* out, int bytes) {
  auto* demuxer = static_cast<Demuxer*>(self);
  try {
    const std::size_t count = demuxer->source_.read(out, static_cast<std::size_t>(bytes));
    return count == 0 ? AVERROR_EOF : static_cast<int>(count);
  } catch (...) {
    demuxer->source_error_ = std::current_exception();
    return AVERROR(EIO);
  }
}

std::int64_t Demuxer::seek(void* self, std::int64_t offset, int whence) {
  Source& source = static_cast<Demuxer*>(self)->source_;
  if ((whence & AVSEEK_SIZE) != 0) return source.size();
  const int from = whence & ~AVSEEK_FORCE;
  const std::int64_t base = from == SEEK_SET ? 0 : from == SEEK_CUR ? source.position() : source.size();
  if (base + offset < 0) return AVERROR(EINVAL);
  source.seek(base + offset);
  return base + offset;
}

void Demuxer::open() {
  forget_message();
  auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferBytes));
  io_.reset(avio_alloc_context(buffer, kBufferBytes, 0, this, read, nullptr, source_.is_pipe() ? nullptr : seek));
  AVFormatContext* input = avformat_alloc_context();
  input->pb = io_.get();
  input->io_open = refuse_to_open;
  input->flags |= AVFMT_FLAG_BITEXACT;
  const int error = avformat_open_input(&input, "", nullptr, nullptr);  // frees `input` when it fails
  rethrow();
  if (error < 0) {
    const bool broken = error == AVERROR_INVALIDDATA && message(error).find("Invalid data found") == std::string::npos;
    fail(source_.name(), broken ? "corrupt_media" : "unknown_format",
         broken ? message(error) : "not a sound file that libsndfile or FFmpeg knows");
  }
  input_.reset(input);
  const int unknown = avformat_find_stream_info(input, nullptr);
  rethrow();
  if (unknown < 0) fail(source_.name(), "corrupt_media", message(unknown));
}

void Demuxer::choose(int wanted_stream) {
  index_ = -1;
  const int best = av_find_best_stream(input_.get(), kind_, -1, -1, nullptr, 0);
  for (unsigned i = 0; i < input_->nb_streams; ++i) {
    AVStream& stream = *input_->streams[i];
    stream.discard = AVDISCARD_ALL;
    if (stream.codecpar->codec_type != kind_) continue;
    if (wanted_stream < 0 ? static_cast<int>(i) == best : streams_ == wanted_stream) {
      index_ = static_cast<int>(i);
      ordinal_ = streams_;
    }
    ++streams_;
  }
  check_choice(best, wanted_stream);
  input_->streams[index_]->discard = AVDISCARD_DEFAULT;
}

void Demuxer::check_choice(int best, int wanted_stream) const {
  const bool sound = kind_ == AVMEDIA_TYPE_AUDIO;
  const char* reason = sound ? "no_audio" : "no_video";
  const std::string what = sound ? "sound" : "video";
  if (streams_ == 0) fail(source_.name(), reason, "the file has no " + what);
  if (best < 0 && wanted_stream < 0) fail(source_.name(), "corrupt_media", "its " + what + " has no usable header");
  if (index_ >= 0) return;
  fail(source_.name(), reason,
       std::string("no ") + (sound ? "audio" : "video") + " stream " + std::to_string(wanted_stream) +
           ": the file has " + std::to_string(streams_));
}

bool Demuxer::next(AVPacket& packet, int& error) {
  error = 0;
  for (;;) {
    av_packet_unref(&packet);
    const int result = av_read_frame(input_.get(), &packet);
    rethrow();
    if (result == AVERROR_EOF) return false;
    if (result < 0) error = result;
    if (result < 0 || packet.stream_index == index_) return true;
  }
}

void Demuxer::rethrow() {
  if (source_error_) std::rethrow_exception(std::exchange(source_error_, nullptr));
}

}  // namespace tessera::media::ffmpeg
