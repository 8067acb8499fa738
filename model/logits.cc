#include "model/logits.h"

#include <algorithm>
#include <limits>

#include "kernels/context.h"

namespace tessera {
namespace {

constexpr std::int64_t kPanel = 16;

IdRange whole_panels(const IdRange& range, std::int64_t vocabulary) {
  const std::int64_t first = std::clamp<std::int64_t>(range.first, 0, vocabulary) / kPanel * kPanel;
  const std::int64_t end = std::clamp<std::int64_t>(range.first + range.count, 0, vocabulary);
  return {first, std::min(vocabulary, (end + kPanel - 1) / kPanel * kPanel) - first};
}

}  // namespace

std::vector<IdRange> WantedIds::panels(std::int64_t vocabulary) const {
  if (all_ || ranges_.empty()) return {{0, vocabulary}};
  std::vector<IdRange> all;
  for (const IdRange& range : ranges_) all.push_back(whole_panels(range, vocabulary));
  std::sort(all.begin(), all.end(), [](const IdRange& a, const IdRange& b) { return a.first < b.first; });
  std::vector<IdRange> apart;
  for (const IdRange& range : all) {
    if (apart.empty() || range.first > apart.back().first + apart.back().count) {
      apart.push_back(range);
    } else {
      IdRange& last = apart.back();
      last.count = std::max(last.count, range.first + range.count - last.first);
    }
  }
  return apart;
}

std::int64_t count_of(std::span<const IdRange> ids) noexcept {
  std::int64_t count = 0;
  for (const IdRange& range : ids) count += range.count;
  return count;
}

std::vector<float> download_logits(Context& context, ConstMatrix logits, std::span<const IdRange> ids) {
  constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> rows(static_cast<std::size_t>(logits.rows * logits.columns), kUnknown);
  const auto fetch = [&](std::int64_t row, const IdRange& range, std::int64_t count) {
    const float* from = logits.row(row) + range.first;
    float* to = rows.data() + row * logits.columns + range.first;
    context.download(reinterpret_cast<const std::byte*>(from), to, static_cast<std::size_t>(count) * sizeof(float));
  };
  if (ids.size() == 1 && ids[0].count == logits.columns) {
    fetch(0, ids[0], logits.rows * logits.columns);
    return rows;
  }
  for (std::int64_t r = 0; r < logits.rows; ++r) {
    for (const IdRange& range : ids) fetch(r, range, range.count);
  }
  return rows;
}

}  // namespace tessera
