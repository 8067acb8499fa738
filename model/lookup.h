#pragma once

#include <unordered_map>

#include "model/drafter.h"

namespace tessera {

/// Prompt lookup decoding (Saxena, 2023; "ngram" in vLLM): what followed the newest ids where they were last before, in
/// the prompt or in what was generated, is drafted once more. It needs no weights, costs next to nothing, and finds
/// whatever repeats: quotations, code, silence and steady tones of a codec.
class LookupDrafts : public DraftSource {
 public:
  /// 8 ids, or the rest of the frame where that is more.
  [[nodiscard]] int reach(int frame) const override;
  [[nodiscard]] bool reads_hidden() const override { return false; }
  [[nodiscard]] std::int64_t bytes(std::int64_t /*capacity*/) const override { return 0; }
  [[nodiscard]] std::unique_ptr<Drafter> start(Context& context, std::int64_t capacity) const override;
};

/// Finds where runs of ids were last. Run lengths are 4, 3 and 2: the longest that was there before counts.
class RunIndex {
 public:
  /// The position behind the last earlier place of the run that ends `ids`; -1: there was none. `ids` begin with those
  /// of the last call. Time grows with the new ids alone.
  [[nodiscard]] std::int64_t follow(std::span<const std::int32_t> ids);

 private:
  static constexpr std::int64_t kLongest = 4;
  static constexpr std::int64_t kShortest = 2;

  void add(std::span<const std::int32_t> ids, std::int64_t end);
  [[nodiscard]] std::int64_t find(std::span<const std::int32_t> ids, std::int64_t length) const;

  std::unordered_map<std::uint64_t, std::int64_t> ends_;  // by the hash of a run: the position behind its last place
  std::int64_t indexed_ = 0;                              // runs that end at or before are in it
};

}  // namespace tessera
