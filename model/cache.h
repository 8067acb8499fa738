#pragma once

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "kernels/attention.h"
#include "model/config.h"

namespace tessera {

/// Most rows that go through a decoder at once; longer inputs are cut, which changes no bit.
inline constexpr std::int64_t kMostDecoderRows = 512;

/// What one sequence carries through a decoder: keys and values of every layer, and how many positions it has.
/// A layer that sees all positions keeps them all, one with a window a ring. Memory grows with the positions, by pages
/// of 256, and what sequences have in common can be shared.
class Sequence {
 public:
  /// Throws ArgumentError when `capacity` is not positive.
  Sequence(Context& context, const DecoderConfig& config, std::int64_t capacity);

  /// Bytes of keys and values when it is full and shares nothing.
  [[nodiscard]] static std::int64_t bytes(const DecoderConfig& config, std::int64_t capacity);

  /// Positions so far.
  [[nodiscard]] std::int64_t length() const noexcept { return length_; }
  [[nodiscard]] std::int64_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] KeyValueCache& cache(std::size_t layer) { return caches_[layer]; }
  /// Takes all pages now, zeroed.
  void reserve(Context& context);
  void advance(std::int64_t positions) noexcept { length_ += positions; }
  /// Whether what the positions behind the first `length` look back on is still there: always, unless a ring has
  /// wrapped and more than kMostDecoderRows came since.
  [[nodiscard]] bool reaches(std::int64_t length) const noexcept;
  /// Forgets the positions from `length` on. Throws ArgumentError unless it reaches so far back.
  void truncate(std::int64_t length);
  /// Another sequence of the first `length` positions, with room for `capacity`. Pages are shared until one of the two
  /// writes to them. Throws ArgumentError as truncate, or when they do not fit.
  [[nodiscard]] Sequence fork(Context& context, std::int64_t length, std::int64_t capacity) const;

  /// Bytes of the pages it has, but for those in `counted`, which become more.
  [[nodiscard]] std::int64_t bytes_beside(std::set<const Tensor*>& counted) const;

 private:
  Sequence(std::int64_t capacity, std::int64_t length, std::vector<std::int64_t> reach)
      : capacity_(capacity), length_(length), reach_(std::move(reach)) {}

  std::vector<KeyValueCache> caches_;
  std::int64_t capacity_;
  std::int64_t length_ = 0;
  std::vector<std::int64_t> reach_;  // how far back each layer looks; -1: all positions
};

/// Neighbouring rows of a batch that are the next positions of one sequence.
struct BatchPart {
  Sequence* sequence;
  std::int64_t first_row;
  std::int64_t rows;
};

}  // namespace tessera
