#include "tokenizer/merges.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <span>

namespace tessera::detail {
namespace {

constexpr std::size_t kFew = 64;
constexpr std::uint32_t kNobody = UINT32_MAX;

}  // namespace

MergeTable::MergeTable(std::size_t count) {
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(2 * count, 4));
  slots_.resize(size);
  mask_ = size - 1;
  shift_ = 64U - static_cast<unsigned>(std::countr_zero(size));
}

void MergeTable::add(std::int32_t left, std::int32_t right, Merge merge) {
  const std::uint64_t key = key_of(left, right);
  std::size_t slot = slot_of(key);
  while (slots_[slot].key != kEmpty && slots_[slot].key != key) slot = (slot + 1) & mask_;
  slots_[slot] = {key, merge};
}

void WordMerger::merge(std::vector<std::int32_t>& symbols) {
  if (symbols.size() < 2) return;
  symbols.size() <= kFew ? merge_few(symbols) : merge_many(symbols);
}

void WordMerger::merge_few(std::vector<std::int32_t>& symbols) {
  pairs_.clear();
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) pairs_.push_back(table_.find(symbols[i], symbols[i + 1]));
  while (!pairs_.empty()) {
    const auto best =
        std::min_element(pairs_.begin(), pairs_.end(), [](const auto& a, const auto& b) { return a.rank < b.rank; });
    if (best->id < 0) return;
    const auto at = static_cast<std::size_t>(best - pairs_.begin());
    symbols[at] = best->id;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    pairs_.erase(best);
    if (at > 0) pairs_[at - 1] = table_.find(symbols[at - 1], symbols[at]);
    if (at < pairs_.size()) pairs_[at] = table_.find(symbols[at], symbols[at + 1]);
  }
}

/// Looks up the pair that begins at `at` and queues it when it merges.
void WordMerger::offer(const std::vector<std::int32_t>& symbols, std::uint32_t at) {
  const bool last = next_[at] >= symbols.size();
  pairs_[at] = last ? MergeTable::kNone : table_.find(symbols[at], symbols[next_[at]]);
  if (pairs_[at].id < 0) return;
  heap_.push_back({pairs_[at].rank, at});
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

void WordMerger::merge_many(std::vector<std::int32_t>& symbols) {
  const auto count = static_cast<std::uint32_t>(symbols.size());
  pairs_.assign(count, MergeTable::kNone);
  next_.resize(count);
  back_.resize(count);
  heap_.clear();
  for (std::uint32_t i = 0; i < count; ++i) next_[i] = i + 1;
  for (std::uint32_t i = 0; i < count; ++i) back_[i] = i - 1;  // of the first: kNobody
  for (std::uint32_t i = 0; i < count; ++i) offer(symbols, i);
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const Candidate best = heap_.back();
    heap_.pop_back();
    if (pairs_[best.at].rank != best.rank) continue;  // one of the two has merged with another
    const std::uint32_t gone = next_[best.at];
    symbols[best.at] = pairs_[best.at].id;
    symbols[gone] = -1;
    pairs_[gone] = MergeTable::kNone;
    next_[best.at] = next_[gone];
    if (next_[gone] < count) back_[next_[gone]] = best.at;
    offer(symbols, best.at);
    if (back_[best.at] != kNobody) offer(symbols, back_[best.at]);
  }
  std::erase(symbols, -1);
}

}  // namespace tessera::detail
