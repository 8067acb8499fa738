#include "model/likely_ids.h"

#include <algorithm>

#include "model/logits.h"

namespace tessera {
namespace {

constexpr std::int64_t kBlocks = 256;
constexpr std::size_t kAlwaysLikely = kBlocks / 4;
constexpr std::int64_t kIdsInPanel = 16;
constexpr float kNewestId = 1.0F / 128;

std::int64_t block_of(std::int64_t vocabulary) {
  const std::int64_t ids = (vocabulary + kBlocks - 1) / kBlocks;
  return std::max<std::int64_t>(1, (ids + kIdsInPanel - 1) / kIdsInPanel) * kIdsInPanel;
}

void append(std::vector<IdRange>& ranges, std::int64_t first, std::int64_t end) {
  if (first >= end) return;
  if (!ranges.empty() && ranges.back().first + ranges.back().count == first) {
    ranges.back().count += end - first;
  } else {
    ranges.push_back({first, end - first});
  }
}

}  // namespace

LikelyIds::LikelyIds(std::int64_t vocabulary)
    : vocabulary_(vocabulary), block_(block_of(vocabulary)), shares_(static_cast<std::size_t>(kBlocks)) {}

void LikelyIds::observe(std::span<const std::int32_t> ids) {
  for (; observed_ < ids.size(); ++observed_) {
    for (float& share : shares_) share -= kNewestId * share;
    shares_[static_cast<std::size_t>(ids[observed_] / block_)] += kNewestId;
  }
}

// A block's share is no more than that where its only recent id is the newest one.
bool LikelyIds::is_likely(std::size_t block) const { return block < kAlwaysLikely || shares_[block] > kNewestId; }

std::vector<IdRange> LikelyIds::of(std::span<const IdRange> wanted) const {
  const std::vector<IdRange> all(wanted.begin(), wanted.end());
  if (4 * count_of(wanted) <= vocabulary_) return all;
  std::vector<IdRange> likely;
  for (const IdRange& range : wanted) {
    const std::int64_t end = range.first + range.count;
    for (std::int64_t at = range.first; at < end;) {
      const std::int64_t block = at / block_;
      const std::int64_t stop = std::min(end, (block + 1) * block_);
      if (is_likely(static_cast<std::size_t>(block))) append(likely, at, stop);
      at = stop;
    }
  }
  return likely.empty() ? all : likely;
}

}  // namespace tessera
