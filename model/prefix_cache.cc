#include "model/prefix_cache.h"

#include <algorithm>
#include <set>

namespace tessera {
namespace {

// Where `entry` can be forked for a prompt of `ids`; 0: nowhere.
std::int64_t usable_length(const PrefixCache::Entry& entry, std::span<const std::int32_t> ids, bool drafts) {
  const auto most = std::min(entry.ids.size(), ids.size() - 1);
  const auto differs = std::mismatch(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(most), entry.ids.begin());
  const std::int64_t length = differs.first - ids.begin();
  const bool there = entry.sequence.reaches(length) && (!drafts || (entry.drafts && entry.drafts->reaches(length)));
  return there ? length : 0;
}

}  // namespace

PrefixCache::Prefix PrefixCache::find(std::span<const std::int32_t> ids, bool drafts) {
  std::int64_t length = 0;
  auto best = entries_.end();
  for (auto entry = entries_.begin(); entry != entries_.end() && !ids.empty(); ++entry) {
    const std::int64_t usable = usable_length(*entry, ids, drafts);
    if (usable > length) length = usable, best = entry;
  }
  if (best == entries_.end()) return {};
  entries_.splice(entries_.begin(), entries_, best);
  return {&entries_.front(), length};
}

void PrefixCache::put(Context& context, std::span<const std::int32_t> ids, const Sequence& sequence,
                      const Drafter* drafts) {
  const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return std::equal(ids.begin(), ids.end(), entry.ids.begin(), entry.ids.end());
  });
  if (same != entries_.end()) entries_.erase(same);
  const auto length = static_cast<std::int64_t>(ids.size());
  entries_.push_front({{ids.begin(), ids.end()}, sequence.fork(context, length, sequence.capacity()), nullptr});
  if (drafts != nullptr) entries_.front().drafts = drafts->fork(context, length, sequence.capacity());
  while (!entries_.empty() && bytes() > most_) entries_.pop_back();
}

std::int64_t PrefixCache::bytes() const {
  std::set<const Tensor*> counted;
  std::int64_t bytes = 0;
  for (const Entry& entry : entries_) {
    bytes += entry.sequence.bytes_beside(counted);
    if (entry.drafts) bytes += entry.drafts->bytes_beside(counted);
  }
  return bytes;
}

}  // namespace tessera
