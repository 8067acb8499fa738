#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/code_use.h"
#include "cli/picture_model.h"
#include "cli/picture_quality.h"
#include "cli/report_folder.h"

namespace tessera::cli {

/// An image codec that a report shows, with the sums over the inputs so far.
struct PictureReportCodec {
  /// Both outlive the report.
  PictureReportCodec(const PictureModel& model, Context& context, std::string path);

  const PictureModel* model;
  Context* context;
  std::string path;
  std::string label;  ///< short and unique in the report
  CodeUse use;
  std::vector<PictureQuality> qualities;
  double pixels = 0;
  double encode_seconds = 0;
  double decode_seconds = 0;

  [[nodiscard]] const ImageCodecInfo& info() const { return model->codec->info(); }
};

/// What one codec made of one picture, as 8-bit samples of the size that the codec sees.
struct ReportPicture {
  media::Image original;
  media::Image copy;
  Codes codes;
  PictureQuality quality;
  double encode_seconds = 0;
  double decode_seconds = 0;
};

/// The part of a report that shows pictures, the counterpart of SoundReport: NAME.original.png,
/// NAME.reconstruction.png and NAME.difference.png (NAME.CODEC.… of several codecs) side by side, the difference's
/// samples times a whole number that all codecs of an input share; code_use.png, how often each entry of a codebook was
/// used; figures, sizes, bits a pixel, speed.
class PictureReport {
 public:
  /// `folder` outlives the report.
  PictureReport(std::vector<PictureReportCodec> codecs, ReportFolder& folder);

  /// One record for --json a codec. Throws InputError; the report goes on without the file.
  [[nodiscard]] std::vector<nlohmann::ordered_json> add(const std::string& path);
  [[nodiscard]] std::string html();

 private:
  [[nodiscard]] std::string figures(const PictureReportCodec& codec, const ReportPicture& picture,
                                    const std::string& stem, int scale);
  [[nodiscard]] std::string use_plots(const PictureReportCodec& codec, const std::string& stem);

  std::vector<PictureReportCodec> codecs_;
  ReportFolder* folder_;
  std::string rows_;      // of the table of inputs
  std::string sections_;  // one an input
};

}  // namespace tessera::cli
