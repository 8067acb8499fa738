#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/audio_source.h"
#include "cli/output.h"
#include "cli/quality.h"
#include "cli/session.h"

namespace tessera::cli {

/// A codec that a report shows, with the sums over the inputs so far.
struct ReportCodec {
  /// `levels`: the first so many (0: all). `session` outlives the report.
  ReportCodec(const Session& session, Context& meter, std::string model, int levels);

  const Session* session;
  std::string model;
  int levels;
  std::string label;  ///< short and unique in the report
  QualityTables tables;
  CodeUse use;
  std::vector<Quality> qualities;
  double seconds = 0;
  double encode_seconds = 0;
  double decode_seconds = 0;

  [[nodiscard]] const AudioCodecInfo& info() const { return session->codec->info(); }
};

/// What one codec made of one input, at the codec's rate.
struct ReportClip {
  std::vector<float> original;
  std::vector<float> copy;
  Codes codes;
  Quality quality;
  double seconds = 0;
  double encode_seconds = 0;
  double decode_seconds = 0;
};

/// Encodes and decodes media files with one codec or several and writes a folder that shows what was lost: log-mel
/// spectrograms NAME.original.png, NAME.reconstruction.png, NAME.difference.png (NAME.CODEC.… of several codecs), and
/// index.html, which needs no other file: figures of quality, bit rates, speed and the use of the codebooks, their
/// means over all inputs, the sounds side by side, the pictures. Pictures show the mean of the channels. Holds one
/// input in memory at a time.
class Report {
 public:
  Report(std::vector<ReportCodec> codecs, const std::string& folder, bool overwrite);

  /// One record for --json a codec. Throws InputError; the report goes on without the file.
  [[nodiscard]] std::vector<nlohmann::ordered_json> add(const std::string& path, const SourceOptions& options);
  /// Writes index.html.
  void finish();

 private:
  [[nodiscard]] std::string pictures(const ReportCodec& codec, const ReportClip& clip, const std::string& stem) const;
  [[nodiscard]] std::string player(const std::string& label, const std::vector<float>& samples,
                                   const AudioCodecInfo& codec);
  [[nodiscard]] std::string players(const std::vector<ReportClip>& clips);

  std::vector<ReportCodec> codecs_;
  std::string folder_;
  bool overwrite_;
  OutputNames names_;
  std::string rows_;      // of the table of inputs
  std::string sections_;  // one an input
  std::size_t played_ = 0;
};

}  // namespace tessera::cli
