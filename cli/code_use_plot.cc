#include "cli/code_use_plot.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace tessera::cli {
namespace {

constexpr std::size_t kWidest = 1024;
constexpr std::size_t kNarrowest = 256;  // an entry of a small codebook takes several columns
constexpr int kHeight = 160;

/// The mean of [column * n / width, (column + 1) * n / width) of n counts, at least of one.
double mean_count(const std::vector<std::int64_t>& counts, std::size_t column, std::size_t width) {
  const std::size_t begin = column * counts.size() / width;
  const std::size_t end = std::max(begin + 1, (column + 1) * counts.size() / width);
  const auto at = [&](std::size_t i) { return counts.begin() + static_cast<std::ptrdiff_t>(i); };
  return std::accumulate(at(begin), at(end), 0.0) / static_cast<double>(end - begin);
}

void draw_bar(Picture& picture, int x, double share) {
  const int top = kHeight - static_cast<int>(std::lround(share * kHeight));
  for (int y = top; y < kHeight; ++y) {
    put_colour(0.2 + 0.5 * share, picture.rgb.data() + (static_cast<std::size_t>(y) * picture.width + x) * 3);
  }
}

}  // namespace

CodeUsePlot draw_code_use(std::vector<std::int64_t> counts) {
  std::sort(counts.begin(), counts.end(), std::greater<>());
  const std::size_t width = std::clamp(counts.size(), kNarrowest, kWidest);
  const double most = std::max(1.0, mean_count(counts, 0, width));
  Picture picture{static_cast<int>(width), kHeight, std::vector<std::uint8_t>(width * kHeight * 3, 255)};
  for (std::size_t x = 0; x < width; ++x) {
    draw_bar(picture, static_cast<int>(x), std::log1p(mean_count(counts, x, width)) / std::log1p(most));
  }
  char top[32];
  std::snprintf(top, sizeof top, "%.4g", most);
  return {std::move(picture), "all " + std::to_string(counts.size()) +
                                  " from the most used to the least, height log(1 + codes), " + top + " at the top"};
}

}  // namespace tessera::cli
