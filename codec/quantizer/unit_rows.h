#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace tessera {

/// What torch.nn.functional.normalize keeps a length from falling below.
inline constexpr float kLeastNorm = 1e-12F;

/// Rows of `width` floats brought to length 1, as torch.nn.functional.normalize does, in double, rounded once.
[[nodiscard]] inline std::vector<float> unit_rows(std::vector<float> rows, std::int64_t width) {
  for (auto row = rows.begin(); row != rows.end(); row += width) {
    double square = 0;
    for (auto at = row; at != row + width; ++at) square += static_cast<double>(*at) * *at;
    const double length = std::max(std::sqrt(square), static_cast<double>(kLeastNorm));
    for (auto at = row; at != row + width; ++at) *at = static_cast<float>(*at / length);
  }
  return rows;
}

}  // namespace tessera
