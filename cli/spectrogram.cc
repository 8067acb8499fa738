#include "cli/spectrogram.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "cli/log_mel.h"

namespace tessera::cli {
namespace {

constexpr std::size_t kMelBands = LogMel::kBands;
constexpr int kScale = 2;  // pixels a band
constexpr std::size_t kMostColumns = 2000;
constexpr double kLoudest = 3;
constexpr double kQuietest = -8;
constexpr double kFarthest = 3;

/// `value(frame, band)` in [0, 1].
Picture paint(std::size_t frames, const std::function<double(std::size_t, std::size_t)>& value) {
  const std::size_t step = (frames + kMostColumns - 1) / kMostColumns;
  const std::size_t columns = (frames + step - 1) / step;
  Picture picture{static_cast<int>(columns), static_cast<int>(kMelBands) * kScale, {}};
  picture.rgb.resize(columns * kMelBands * kScale * 3);
  for (std::size_t y = 0; y < kMelBands * kScale; ++y) {
    for (std::size_t x = 0; x < columns; ++x) {
      put_colour(value(x * step, kMelBands - 1 - y / kScale), &picture.rgb[(y * columns + x) * 3]);
    }
  }
  return picture;
}

double level(float log_mel) { return (log_mel - kQuietest) / (kLoudest - kQuietest); }

}  // namespace

Spectrograms draw(const std::vector<float>& original, const std::vector<float>& reconstruction) {
  const std::size_t frames = std::min(original.size(), reconstruction.size()) / kMelBands;
  const auto at = [](const std::vector<float>& mel, std::size_t frame, std::size_t band) {
    return mel[frame * kMelBands + band];
  };
  return {paint(frames, [&](std::size_t t, std::size_t b) { return level(at(original, t, b)); }),
          paint(frames, [&](std::size_t t, std::size_t b) { return level(at(reconstruction, t, b)); }),
          paint(frames, [&](std::size_t t, std::size_t b) {
            return std::abs(at(original, t, b) - at(reconstruction, t, b)) / kFarthest;
          })};
}

}  // namespace tessera::cli
