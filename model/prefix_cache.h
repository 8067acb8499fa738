#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "model/cache.h"
#include "model/drafter.h"

namespace tessera {

/// Prompts that have been read, so that others which begin alike need not read that beginning again. Exact arithmetic
/// makes what is shared the bits that reading would give, so it changes no id. Its owner gives it to the Generations
/// (GenerateOptions::prefixes) of one decoder, and of one source of drafts, in one context; one caller at a time.
class PrefixCache {
 public:
  /// A prompt, as it was read so far.
  struct Entry {
    std::vector<std::int32_t> ids;
    Sequence sequence;
    std::unique_ptr<Drafter> drafts;  ///< null: none
  };
  struct Prefix {
    const Entry* entry = nullptr;  ///< null: none; valid until the next call of put()
    std::int64_t length = 0;
  };

  /// `bytes`: the most that entries may take; pages they share count once, those of running sequences too.
  explicit PrefixCache(std::int64_t bytes) : most_(bytes) {}

  /// The longest beginning of `ids`, one id shorter than they at most, that an entry can be forked at; with `drafts`
  /// the entry has them.
  [[nodiscard]] Prefix find(std::span<const std::int32_t> ids, bool drafts);
  /// Keeps `sequence`, which has read `ids`, and its drafts (or null). The entries used longest ago make room.
  void put(Context& context, std::span<const std::int32_t> ids, const Sequence& sequence, const Drafter* drafts);

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  /// What entries take now.
  [[nodiscard]] std::int64_t bytes() const;

 private:
  std::list<Entry> entries_;  // the newest used first
  std::int64_t most_;
};

}  // namespace tessera
