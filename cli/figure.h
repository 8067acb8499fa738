#pragma once

#include <nlohmann/json_fwd.hpp>

namespace tessera::cli {

/// A figure as records show it: to four digits behind the point, null when it is not finite.
[[nodiscard]] nlohmann::ordered_json figure(double value);

}  // namespace tessera::cli
