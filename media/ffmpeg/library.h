#pragma once

// FFmpeg's headers, and owners of its objects.

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/cpu.h>
#include <libavutil/display.h>
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <memory>
#include <string>

namespace tessera::media::ffmpeg {

struct CloseInput {
  void operator()(AVFormatContext* input) const { avformat_close_input(&input); }
};
struct CloseIo {
  void operator()(AVIOContext* io) const {
    av_freep(&io->buffer);
    avio_context_free(&io);
  }
};
struct CloseCodec {
  void operator()(AVCodecContext* codec) const { avcodec_free_context(&codec); }
};
struct FreeScaler {
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};
struct FreeFrame {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};

using Input = std::unique_ptr<AVFormatContext, CloseInput>;
using Io = std::unique_ptr<AVIOContext, CloseIo>;
using Codec = std::unique_ptr<AVCodecContext, CloseCodec>;
using Scaler = std::unique_ptr<SwsContext, FreeScaler>;
using Packet = std::unique_ptr<AVPacket, FreePacket>;
using Frame = std::unique_ptr<AVFrame, FreeFrame>;

/// Once a process: FFmpeg prints nothing any more, and computes the same on every machine of an architecture.
void initialize();

/// What FFmpeg said last in this thread, or its words for `error` when it said nothing since forget_message().
[[nodiscard]] std::string message(int error);
[[nodiscard]] bool has_message();
void forget_message();

}  // namespace tessera::media::ffmpeg
