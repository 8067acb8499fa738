#include "cli/code_use.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/codec_rates.h"
#include "cli/figure.h"
#include "kernels/constants.h"

namespace tessera::cli {
namespace {

double log2_of(double x) { return exact_log(x) / exact_log(2); }

double entropy(const std::vector<std::int64_t>& counts, std::int64_t ids) {
  double bits = 0;
  for (const std::int64_t count : counts) {
    const double share = static_cast<double>(count) / static_cast<double>(ids);
    if (count > 0) bits -= share * log2_of(share);
  }
  return std::max(bits, 0.0);
}

nlohmann::ordered_json levels_json(const CodeUse& use) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const LevelUse& level : use.levels()) {
    json.push_back({{"level", json.size()},
                    {"codebook", level.codebook},
                    {"used", level.used},
                    {"entropy_bits", figure(level.entropy_bits)}});
  }
  return json;
}

}  // namespace

CodeUse::CodeUse(const AudioCodecInfo& codec)
    : codebooks_(codec.codebook_sizes), rates_(level_rates(codec, codec.levels)) {}

CodeUse::CodeUse(const ImageCodecInfo& codec)
    : codebooks_(codec.codebook_sizes), rates_(codebooks_.size(), 1.0 / codec.factor / codec.factor) {}

void CodeUse::add(const Codes& codes) {
  for (std::size_t level = counts_.size(); level < codes.rows.size(); ++level) {
    counts_.emplace_back(static_cast<std::size_t>(codebooks_.at(level)));
  }
  for (std::size_t level = 0; level < codes.rows.size(); ++level) {
    for (const std::int32_t id : codes.rows[level]) ++counts_[level].at(static_cast<std::size_t>(id));
  }
}

std::vector<LevelUse> CodeUse::levels() const {
  std::vector<LevelUse> all;
  for (const std::vector<std::int64_t>& counts : counts_) {
    LevelUse use;
    use.codebook = static_cast<int>(counts.size());
    use.ids = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
    use.used = std::count_if(counts.begin(), counts.end(), [](std::int64_t count) { return count > 0; });
    use.entropy_bits = entropy(counts, use.ids);
    all.push_back(use);
  }
  return all;
}

double CodeUse::entropy_rate() const {
  double bits = 0;
  std::size_t i = 0;
  for (const LevelUse& level : levels()) bits += rates_[i++] * level.entropy_bits;
  return bits;
}

double CodeUse::nominal_rate() const {
  double bits = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) bits += rates_[i] * log2_of(codebooks_[i]);
  return bits;
}

double entropy_kbps(const CodeUse& use) { return std::round(use.entropy_rate()) / 1000; }

void put_json(const CodeUse& use, const AudioCodecInfo& codec, nlohmann::ordered_json& json) {
  const nlohmann::ordered_json levels = levels_json(use);
  json["kbps"] = kilobits_per_second(codec, static_cast<int>(levels.size()));
  json["entropy_kbps"] = entropy_kbps(use);
  json["code_use"] = levels;
}

void put_picture_json(const CodeUse& use, nlohmann::ordered_json& json) {
  json["bits_per_pixel"] = figure(use.nominal_rate());
  json["entropy_bits_per_pixel"] = figure(use.entropy_rate());
  json["code_use"] = levels_json(use);
}

}  // namespace tessera::cli
