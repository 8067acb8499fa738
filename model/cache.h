#pragma once

#include <cstdint>
#include <vector>

#include "kernels/attention.h"
#include "model/config.h"

namespace tessera {

/// Most rows that go through a decoder at once; longer inputs are cut, which changes no bit.
inline constexpr std::int64_t kMostDecoderRows = 512;

/// What one sequence carries through a decoder: keys and values of every layer, and how many positions it has.
/// A layer that sees all positions keeps `capacity`, one with a window a ring.
class Sequence {
 public:
  /// Throws ArgumentError when `capacity` is not positive.
  Sequence(Context& context, const DecoderConfig& config, std::int64_t capacity);

  /// Bytes that one takes.
  [[nodiscard]] static std::int64_t bytes(const DecoderConfig& config, std::int64_t capacity);

  /// Positions so far.
  [[nodiscard]] std::int64_t length() const noexcept { return length_; }
  [[nodiscard]] std::int64_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] KeyValueCache& cache(std::size_t layer) { return caches_[layer]; }
  void advance(std::int64_t positions) noexcept { length_ += positions; }
  /// Forgets the positions from `length` on, at most kMostDecoderRows of them: rings keep what is before. Throws
  /// ArgumentError.
  void truncate(std::int64_t length);

 private:
  std::vector<KeyValueCache> caches_;
  std::int64_t capacity_;
  std::int64_t length_ = 0;
};

/// Neighbouring rows of a batch that are the next positions of one sequence.
struct BatchPart {
  Sequence* sequence;
  std::int64_t first_row;
  std::int64_t rows;
};

}  // namespace tessera
