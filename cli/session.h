#pragma once

#include <memory>
#include <string>

#include "cli/options.h"
#include "codec/codec.h"

namespace tessera::cli {

/// A checkpoint that comes with the program, "audio_codec" or "image_codec": beside the build folder, or under the
/// installation's prefix. Empty when there is none.
[[nodiscard]] std::string embedded_model_path(const std::string& name = "audio_codec");
/// --model, else TESSERA_MODEL, else empty: the embedded models serve, each its kind of media.
[[nodiscard]] std::string named_model(const CommonOptions& options);
/// The named model, else the embedded one for sound. Throws CheckpointError when there is none.
[[nodiscard]] std::string model_path(const CommonOptions& options);
/// The same for pictures.
[[nodiscard]] std::string picture_model_path(const CommonOptions& options);

/// Throws UsageError for what this build cannot do, before any work.
void check_common(const CommonOptions& options);

/// Where this run computes. `threads` overrides --threads when it is not 0.
[[nodiscard]] std::unique_ptr<Context> make_context(const CommonOptions& options, int threads = 0);
/// The CPU threads --threads asks for; every core by default.
[[nodiscard]] int thread_count(const CommonOptions& options);

/// The checkpoint and the context it was loaded for.
struct Session {
  std::unique_ptr<Context> context;
  std::unique_ptr<AudioCodec> codec;
};
/// With --verbose the checkpoint is named on standard error.
[[nodiscard]] Session open_session(const CommonOptions& options, int threads = 0);

}  // namespace tessera::cli
