#include "media/ffmpeg_module.h"

#include "media/module.h"

namespace tessera::media {

std::unique_ptr<Decoder> open_ffmpeg(std::unique_ptr<Source> source, const ReadOptions& options) {
  static auto* const open = reinterpret_cast<OpenFfmpeg*>(
      load_symbol(kFfmpegModule, kOpenFfmpegSymbol, "reads MP3, AAC and videos", source->name()));
  return std::unique_ptr<Decoder>(open(source, options));
}

}  // namespace tessera::media
