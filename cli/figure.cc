#include "cli/figure.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace tessera::cli {

nlohmann::ordered_json figure(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::round(value * 1e4) / 1e4;
}

}  // namespace tessera::cli
