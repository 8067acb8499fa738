#pragma once

#include <cmath>
#include <vector>

namespace tessera::cli {

/// The mean of one figure over those that have a finite one; NaN when none has.
template <class Quality>
[[nodiscard]] double mean_of_finite(const std::vector<Quality>& all, double Quality::*figure) {
  double sum = 0;
  double count = 0;
  for (const Quality& one : all) {
    if (!std::isfinite(one.*figure)) continue;
    sum += one.*figure;
    ++count;
  }
  return sum / count;
}

}  // namespace tessera::cli
