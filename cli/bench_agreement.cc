#include "cli/bench_agreement.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;

double equal_share(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
  std::size_t equal = 0;
  for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b.at(i) ? 1 : 0;
  return std::round(1e4 * static_cast<double>(equal) / static_cast<double>(a.size())) / 1e4;
}

/// In dB; not finite when nothing differs.
double noise_ratio(const std::vector<float>& exact, const std::vector<float>& other) {
  double energy = 0;
  double error = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double difference = static_cast<double>(exact[i]) - other.at(i);
    energy += static_cast<double>(exact[i]) * exact[i];
    error += difference * difference;
  }
  return 10 * std::log10(energy / error);
}

}  // namespace

ordered_json describe_agreement(const std::string& name, const Context& fast, const Agreement& of) {
  ordered_json shares;
  for (std::size_t level = 0; level < of.exact_codes.rows.size(); ++level) {
    shares.push_back(equal_share(of.exact_codes.rows[level], of.fast_codes.rows.at(level)));
  }
  ordered_json line = {
      {"bench", "agreement " + name}, {"bf16", name_of(*fast.bfloat_unit())}, {"equal_codes", std::move(shares)}};
  const double ratio = noise_ratio(of.exact_samples, of.fast_samples);
  if (std::isfinite(ratio)) line["decode_snr_db"] = std::round(10 * ratio) / 10;
  return line;
}

}  // namespace tessera::cli
