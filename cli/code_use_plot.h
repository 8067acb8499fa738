#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/png.h"

namespace tessera::cli {

struct CodeUsePlot {
  Picture picture;
  std::string caption;  ///< what the axes are
};

/// How evenly the entries of a codebook are used: entries from the most to the least used along the picture, which is
/// at most 1024 pixels wide (each column the mean over its entries), the height log(1 + n) of how often one occurred.
/// Where no entry occurred the plot is white.
[[nodiscard]] CodeUsePlot draw_code_use(std::vector<std::int64_t> counts);

}  // namespace tessera::cli
