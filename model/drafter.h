#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "kernels/context.h"
#include "kernels/error.h"
#include "kernels/tensor.h"
#include "tokenizer/vocabulary.h"

namespace tessera {

/// Drafts ids of one sequence for the decoder to verify. A draft may be anything: only speed depends on it.
class Drafter {
 public:
  /// Chooses an id for a position.
  struct Pick {
    /// From logits [vocabulary] on the host.
    std::function<std::int32_t(std::span<const float> logits, std::int64_t position)> draw;
    /// Asked before, where it is there: which ids may be drawn; none: all. Only their logits need to be there.
    std::function<std::vector<IdRange>(std::int64_t position)> reach = nullptr;
  };

  virtual ~Drafter() = default;
  /// The decoder has read all of `ids` but the last. `hidden`, [rows, hidden], is its residual stream at the positions
  /// that follow those seen so far; nothing where the source does not read it.
  virtual void observe(Context& context, ConstMatrix hidden, std::span<const std::int32_t> ids) = 0;
  /// Ids that may follow `ids`, `count` at most: drafters that have logits ask `pick`. Once between observations. Takes
  /// no longer the longer `ids` are, but for those that are new.
  [[nodiscard]] virtual std::vector<std::int32_t> propose(Context& context, std::span<const std::int32_t> ids,
                                                          int count, const Pick& pick) = 0;

  /// Whether it can be forked so far back. Of what reads no hidden states another may be started instead.
  [[nodiscard]] virtual bool reaches(std::int64_t /*length*/) const { return false; }
  /// As after it had observed `length` positions, of a sequence with room for `capacity`. The newest of them may have
  /// been read with ids that this one's sequence has behind them. Throws ArgumentError.
  [[nodiscard]] virtual std::unique_ptr<Drafter> fork(Context& /*context*/, std::int64_t /*length*/,
                                                      std::int64_t /*capacity*/) const {
    throw ArgumentError("this kind of drafter has no forks");
  }
  /// Bytes of its memory, but for pages in `counted`, which become more.
  [[nodiscard]] virtual std::int64_t bytes_beside(std::set<const Tensor*>& /*counted*/) const { return 0; }
};

/// Where drafts come from; sequences share it.
class DraftSource {
 public:
  virtual ~DraftSource() = default;
  /// The most ids worth a trial in one step, where `frame` ids of a frame of audio are yet to come; 0: there is none.
  [[nodiscard]] virtual int reach(int frame) const = 0;
  /// Whether observe() needs the decoder's residual stream.
  [[nodiscard]] virtual bool reads_hidden() const = 0;
  /// Bytes of the caches of one.
  [[nodiscard]] virtual std::int64_t bytes(std::int64_t capacity) const = 0;
  /// For a sequence of at most `capacity` positions; this must outlive it.
  [[nodiscard]] virtual std::unique_ptr<Drafter> start(Context& context, std::int64_t capacity) const = 0;
};

}  // namespace tessera
