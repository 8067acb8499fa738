#include "cli/codec_rates.h"

#include <algorithm>
#include <cmath>

namespace tessera::cli {

bool is_multi_rate(const AudioCodecInfo& codec) {
  const auto& multiples = codec.level_multiples;
  return std::any_of(multiples.begin(), multiples.end(), [](int multiple) { return multiple != 1; });
}

std::vector<double> level_rates(const AudioCodecInfo& codec, int levels) {
  std::vector<double> rates;
  for (std::size_t level = 0; level < static_cast<std::size_t>(levels); ++level) {
    rates.push_back(codec.frame_rate() * static_cast<double>(codec.multiple(level)));
  }
  return rates;
}

double kilobits_per_second(const AudioCodecInfo& codec, int levels) {
  const std::vector<double> rates = level_rates(codec, levels);
  double bits = 0;
  for (std::size_t level = 0; level < rates.size(); ++level)
    bits += rates[level] * std::log2(codec.codebook_sizes[level]);
  return std::round(bits) / 1000;
}

}  // namespace tessera::cli
