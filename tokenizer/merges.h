#pragma once

#include <cstdint>
#include <vector>

namespace tessera::detail {

/// The merges of a byte-pair encoding: a pair of ids, its rank and what it becomes.
class MergeTable {
 public:
  struct Merge {
    std::int32_t rank;
    std::int32_t id;
  };
  static constexpr Merge kNone{INT32_MAX, -1};

  /// Room for `count` merges.
  explicit MergeTable(std::size_t count);
  /// Of a pair named twice the last rank counts, as in the reference.
  void add(std::int32_t left, std::int32_t right, Merge merge);
  /// kNone when the two do not merge.
  [[nodiscard]] Merge find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t slot = slot_of(key);; slot = (slot + 1) & mask_) {
      if (slots_[slot].key == key) return slots_[slot].merge;
      if (slots_[slot].key == kEmpty) return kNone;
    }
  }

 private:
  static constexpr std::uint64_t kEmpty = UINT64_MAX;
  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge = kNone;
  };
  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U | static_cast<std::uint32_t>(right);
  }
  [[nodiscard]] std::size_t slot_of(std::uint64_t key) const {
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15U) >> shift_);
  }

  unsigned shift_ = 0;
  std::size_t mask_ = 0;
  std::vector<Slot> slots_;
};

/// Merges the symbols of words: always the pair of the lowest rank, the leftmost of equals.
class WordMerger {
 public:
  explicit WordMerger(const MergeTable& table) : table_(table) {}
  /// `symbols` in place. n symbols take n² steps when they are few, n log n when they are many.
  void merge(std::vector<std::int32_t>& symbols);

 private:
  struct Candidate {
    std::int32_t rank;
    std::uint32_t at;
    friend bool operator>(const Candidate& a, const Candidate& b) {
      return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
    }
  };
  void merge_few(std::vector<std::int32_t>& symbols);
  void merge_many(std::vector<std::int32_t>& symbols);
  void offer(const std::vector<std::int32_t>& symbols, std::uint32_t at);

  const MergeTable& table_;
  std::vector<MergeTable::Merge> pairs_;    // of symbol i and its right neighbour
  std::vector<std::uint32_t> next_, back_;  // neighbours that are left
  std::vector<Candidate> heap_;
};

}  // namespace tessera::detail
