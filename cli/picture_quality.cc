#include "cli/picture_quality.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "cli/figure.h"
#include "cli/mean_of_finite.h"
#include "cli/ssim.h"
#include "kernels/constants.h"

namespace tessera::cli {
namespace {

double peak_signal_to_noise(const media::Image& a, const media::Image& b) {
  std::int64_t squares = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    const int d = a.pixels[i] - b.pixels[i];
    squares += d * d;
  }
  if (squares == 0) return std::numeric_limits<double>::infinity();
  const double peak = 255.0 * 255.0 * static_cast<double>(a.pixels.size());
  return 10 * exact_log(peak / static_cast<double>(squares)) / exact_log(10);
}

}  // namespace

PictureQuality compare(const media::Image& original, const media::Image& copy) {
  return {peak_signal_to_noise(original, copy),
          structural_similarity(original.pixels, copy.pixels, original.rows, original.columns)};
}

nlohmann::ordered_json to_json(const PictureQuality& quality) {
  return {{"psnr_db", figure(quality.psnr_db)}, {"ssim", figure(quality.ssim)}};
}

PictureQuality mean_of(const std::vector<PictureQuality>& all) {
  return {mean_of_finite(all, &PictureQuality::psnr_db), mean_of_finite(all, &PictureQuality::ssim)};
}

}  // namespace tessera::cli
