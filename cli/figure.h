#pragma once

#include <cmath>
#include <nlohmann/json_fwd.hpp>

namespace tessera::cli {

/// A figure as records show it: to four digits behind the point, null when it is not finite.
[[nodiscard]] nlohmann::ordered_json figure(double value);
/// The same for figures that are finite.
[[nodiscard]] inline double rounded(double value) { return std::round(value * 1e4) / 1e4; }
/// Speeds: to two digits.
[[nodiscard]] inline double hundredths(double value) { return std::round(value * 100) / 100; }

}  // namespace tessera::cli
