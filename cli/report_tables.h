#pragma once

#include <string>
#include <vector>

#include "cli/report.h"

namespace tessera::cli {

/// The tables of a report's page that sounds need, and what stands around them.

/// A row a codec: what it is, and its means over all inputs.
[[nodiscard]] std::string codecs_table(const std::vector<ReportCodec>& codecs);
/// The table of inputs from its rows.
[[nodiscard]] std::string inputs_table(const std::string& rows);
[[nodiscard]] std::string input_row(const std::string& path, const ReportCodec& codec, const ReportClip& clip);
/// What the figures are.
[[nodiscard]] std::string report_definitions(int threads);
/// A row a level, over all inputs.
[[nodiscard]] std::string code_use_table(const std::string& label, const CodeUse& use);
/// Labels and the checkpoints that they stand for.
[[nodiscard]] std::string models_list(const std::vector<std::pair<std::string, std::string>>& models);

}  // namespace tessera::cli
