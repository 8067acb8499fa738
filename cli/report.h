#pragma once

#include <string>

#include "cli/audio_source.h"
#include "cli/output.h"
#include "codec/codec.h"

namespace tessera::cli {

/// Encodes and decodes media files and writes a folder that shows what was lost: NAME.original.png,
/// NAME.reconstruction.png, NAME.difference.png (log-mel spectrograms), and index.html, which holds the same pictures,
/// both sounds, the figures of quality and the use of the codebooks by itself. Pictures show the mean of the channels.
/// Holds one clip in memory at a time.
class Report {
 public:
  Report(const AudioCodec& codec, Context& context, Context& meter, const std::string& folder, bool overwrite)
      : codec_(codec), context_(context), meter_(meter), folder_(folder), overwrite_(overwrite), names_(folder, "") {}

  /// Throws InputError; the report goes on without the file.
  void add(const std::string& path, const SourceOptions& options);
  /// Writes index.html.
  void finish(const std::string& model);

 private:
  const AudioCodec& codec_;
  Context& context_;
  Context& meter_;
  std::string folder_;
  bool overwrite_;
  OutputNames names_;
  std::string sections_;
  std::string table_;
};

}  // namespace tessera::cli
