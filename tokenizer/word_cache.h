#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::detail {

/// Ids of words seen before. Its memory is bounded: when it is full it starts anew.
class WordCache {
 public:
  WordCache() : slots_(kSlots) {}

  /// False when the word is not known.
  [[nodiscard]] bool find(std::string_view word, std::span<const std::int32_t>& ids) const {
    if (word.size() > kLongest) return false;
    const Slot& slot = slots_[slot_of(word)];
    if (slot.bytes != word.size() || std::memcmp(text_.data() + slot.text, word.data(), word.size()) != 0) return false;
    ids = {ids_.data() + slot.ids, slot.count};
    return true;
  }

  /// Takes the place of another word where two share one.
  void insert(std::string_view word, std::span<const std::int32_t> ids) {
    if (word.empty() || word.size() > kLongest) return;
    if (text_.size() + word.size() > kMaxText || ids_.size() + ids.size() > kMaxText) clear();
    slots_[slot_of(word)] = {static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(ids_.size()),
                             static_cast<std::uint16_t>(word.size()), static_cast<std::uint16_t>(ids.size())};
    text_ += word;
    ids_.insert(ids_.end(), ids.begin(), ids.end());
  }

 private:
  static constexpr unsigned kBits = 16;
  static constexpr std::size_t kSlots = std::size_t{1} << kBits;
  static constexpr std::size_t kLongest = 64;
  static constexpr std::size_t kMaxText = std::size_t{2} << 20;

  struct Slot {
    std::uint32_t text = 0, ids = 0;
    std::uint16_t bytes = 0, count = 0;
  };

  static std::size_t slot_of(std::string_view word) {
    std::uint64_t hash = word.size();
    std::size_t at = 0;
    for (; at + 8 <= word.size(); at += 8) hash = mix(hash, word.data() + at, 8);
    if (at < word.size()) hash = mix(hash, word.data() + at, word.size() - at);
    return static_cast<std::size_t>(hash >> (64U - kBits));
  }

  static std::uint64_t mix(std::uint64_t hash, const char* bytes, std::size_t count) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, count);
    hash = (hash ^ word) * 0x9E3779B97F4A7C15U;
    return hash ^ (hash >> 29U);
  }

  void clear() {
    text_.clear();
    ids_.clear();
    slots_.assign(kSlots, Slot());
  }

  std::vector<Slot> slots_;
  std::string text_;
  std::vector<std::int32_t> ids_;
};

}  // namespace tessera::detail
