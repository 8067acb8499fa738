#include "cli/code_use.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/codec_rates.h"
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

}  // namespace

void CodeUse::add(const Codes& codes) {
  for (std::size_t level = counts_.size(); level < codes.rows.size(); ++level) {
    counts_.emplace_back(static_cast<std::size_t>(codec_->codebook_sizes.at(level)));
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
    use.ids_a_second = codec_->frame_rate() * static_cast<double>(codec_->multiple(all.size()));
    all.push_back(use);
  }
  return all;
}

double CodeUse::entropy_kbps() const {
  double bits = 0;
  for (const LevelUse& level : levels()) bits += level.ids_a_second * level.entropy_bits;
  return std::round(bits) / 1000;
}

void put_json(const CodeUse& use, const AudioCodecInfo& codec, nlohmann::ordered_json& json) {
  const std::vector<LevelUse> levels = use.levels();
  json["kbps"] = kilobits_per_second(codec, static_cast<int>(levels.size()));
  json["entropy_kbps"] = use.entropy_kbps();
  json["code_use"] = nlohmann::ordered_json::array();
  for (std::size_t level = 0; level < levels.size(); ++level) {
    json["code_use"].push_back({{"level", level},
                                {"codebook", levels[level].codebook},
                                {"used", levels[level].used},
                                {"entropy_bits", std::round(levels[level].entropy_bits * 1e4) / 1e4}});
  }
}

}  // namespace tessera::cli
