#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "media/image.h"

namespace tessera::cli {

/// Figures of a reconstruction against the picture that was encoded, both as 8-bit samples, of one size:
/// - psnr_db: 10 log10(255² / mean squared difference over all samples); infinite when there is none.
/// - ssim: structural_similarity(); NaN for a side below 7 pixels.
/// They are the same on every machine.
struct PictureQuality {
  double psnr_db = 0;
  double ssim = 0;
};
[[nodiscard]] PictureQuality compare(const media::Image& original, const media::Image& copy);
/// Null in place of what is not finite.
[[nodiscard]] nlohmann::ordered_json to_json(const PictureQuality& quality);
/// The mean of each figure over those that have a finite one; NaN when none has.
[[nodiscard]] PictureQuality mean_of(const std::vector<PictureQuality>& all);

}  // namespace tessera::cli
