#pragma once

#include <vector>

#include "cli/png.h"

namespace tessera::cli {

/// Log-mel spectrograms of a clip and of its reconstruction, and their difference, [frames, LogMel::kBands] each, drawn
/// with low bands at the bottom. Long clips are thinned to at most 2,000 columns.
struct Spectrograms {
  Picture original;
  Picture reconstruction;
  Picture difference;  ///< |a - b|, black to bright over 0 … 3 (natural logarithm)
};
[[nodiscard]] Spectrograms draw(const std::vector<float>& original, const std::vector<float>& reconstruction);

}  // namespace tessera::cli
