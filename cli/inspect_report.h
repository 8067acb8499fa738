#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"

namespace tessera::cli {

/// What `inspect --report` was asked for.
struct ReportRequest {
  std::string folder;
  std::vector<std::string> paths;
  std::vector<std::string> compare;  ///< MODEL or MODEL@LEVELS, beside --model
  int levels = 0;                    ///< of --model
  bool recursive = false;
  double start = 0;
  std::optional<double> duration;
};

/// Where its lines go.
struct ReportSink {
  std::function<void(const nlohmann::ordered_json&)> line;
  std::function<void(const std::string& path, const std::string& message, const std::string& reason)> bad;
};

/// Sounds go to the audio codecs among the checkpoints, pictures to the image codecs; without --model the embedded one
/// of each kind is the first. Throws UsageError for levels or work that a checkpoint has not.
void write_report(const ReportRequest& request, const CommonOptions& common, const ReportSink& sink);

}  // namespace tessera::cli
