#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/audio_source.h"
#include "cli/quality.h"
#include "cli/report_folder.h"
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

/// The part of a report that shows sounds: encodes and decodes media files with one codec or several and draws what was
/// lost: log-mel spectrograms NAME.original.png, NAME.reconstruction.png, NAME.difference.png (NAME.CODEC.… of several
/// codecs), and for the page figures of quality, bit rates, speed and the use of the codebooks, their means over all
/// inputs, the sounds side by side, the pictures. Pictures show the mean of the channels. Holds one input in memory at
/// a time.
class SoundReport {
 public:
  /// `folder` outlives the report.
  SoundReport(std::vector<ReportCodec> codecs, ReportFolder& folder);

  /// One record for --json a codec. Throws InputError; the report goes on without the file.
  [[nodiscard]] std::vector<nlohmann::ordered_json> add(const std::string& path, const SourceOptions& options);
  [[nodiscard]] std::string html() const;

 private:
  [[nodiscard]] std::string pictures(const ReportCodec& codec, const ReportClip& clip, const std::string& stem);
  [[nodiscard]] std::string player(const std::string& label, const std::vector<float>& samples,
                                   const AudioCodecInfo& codec);
  [[nodiscard]] std::string players(const std::vector<ReportClip>& clips);

  std::vector<ReportCodec> codecs_;
  ReportFolder* folder_;
  std::string rows_;      // of the table of inputs
  std::string sections_;  // one an input
  std::size_t played_ = 0;
};

}  // namespace tessera::cli
