#pragma once

#include <memory>

#include "media/decoder.h"

namespace tessera::media {

// FFmpeg's libraries bring about 120 others with them. Linking them costs every run of the program 40 to 60 ms
// (measured: an empty program starts in 1 ms, with libsndfile in 1.5 ms, with libavformat in 40 to 60 ms), so the code
// that uses them is a module of its own, libtessera_ffmpeg.so; see module.h.

inline constexpr const char* kFfmpegModule = "libtessera_ffmpeg.so";

/// What the module exports. Takes the source only when it succeeds; throws what open_audio() does.
using OpenFfmpeg = Decoder*(std::unique_ptr<Source>& source, const ReadOptions& options);
inline constexpr const char* kOpenFfmpegSymbol = "tessera_open_ffmpeg";

}  // namespace tessera::media
