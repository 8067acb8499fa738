#pragma once

#include <memory>
#include <string>

#include "cli/options.h"
#include "codec/codec.h"

namespace tessera::cli {

/// The checkpoint that comes with the program: beside the build folder, or under the installation's prefix.
/// Empty when there is none.
[[nodiscard]] std::string embedded_model_path();
/// --model, else TESSERA_MODEL, else the embedded model. Throws CheckpointError when there is none.
[[nodiscard]] std::string model_path(const CommonOptions& options);

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
