#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/arithmetic.h"
#include "kernels/attention.h"

namespace tessera {

inline constexpr int kMostHeadDim = 1024;

/// A ring of keys and values in pages, as KeyValueCache lays them out.
struct KeyValueRing {
  float* const* pages;
  std::int64_t page_count;
  std::int64_t heads;
  std::int64_t head_dim;
  std::int64_t value_dim;

  /// Floats of one position's value.
  [[nodiscard]] TESSERA_HOST_DEVICE std::int64_t padded() const { return (value_dim + 15) / 16 * 16; }
  [[nodiscard]] TESSERA_HOST_DEVICE float* page(std::int64_t position) const {
    return pages[position / kSlice % page_count];
  }
  /// Element 0 of a position's key; element d lies 16 d floats behind.
  [[nodiscard]] TESSERA_HOST_DEVICE float* key(std::int64_t head, std::int64_t position) const {
    const std::int64_t place = position % kSlice;
    return page(position) + (head * kSlice + place / 16 * 16) * head_dim + place % 16;
  }
  [[nodiscard]] TESSERA_HOST_DEVICE float* value(std::int64_t head, std::int64_t position) const {
    return page(position) + heads * kSlice * head_dim + (head * kSlice + position % kSlice) * padded();
  }
};

struct AppendJob {
  KeyValueRing ring;
  std::int64_t first_position;
  ConstMatrix keys;
  ConstMatrix values;
};

struct AttentionJob {
  KeyValueRing ring;
  AttentionShape shape;
  ConstMatrix queries;
  std::int64_t first_query;
  std::int64_t first_key;
  std::int64_t end_key;
  Matrix out;
  const float* sinks;  // null: none

  /// What query row r sees: positions [begin, end). Neither falls as r grows.
  [[nodiscard]] TESSERA_HOST_DEVICE std::int64_t begin(std::int64_t r) const {
    const std::int64_t oldest = first_query + r - shape.left;
    return shape.left < 0 || oldest < first_key ? first_key : oldest;
  }
  [[nodiscard]] TESSERA_HOST_DEVICE std::int64_t end(std::int64_t r) const {
    const std::int64_t beyond = first_query + r + shape.right + 1;
    return shape.right < 0 || beyond > end_key ? end_key : beyond;
  }
  [[nodiscard]] TESSERA_HOST_DEVICE std::int64_t key_value_head(std::int64_t head) const {
    return head / (shape.heads / shape.key_value_heads);
  }
};

/// How a CPU cuts attention into tasks, and the work memory of each. The lines of a key/value head are the queries of
/// all heads that read it, position by position; a task is a block of neighbouring lines, so that keys and values come
/// from memory once a block.
struct AttentionPlan {
  static constexpr std::int64_t kMostLines = 24;

  AttentionPlan(const AttentionJob& job, int threads) : group(job.shape.heads / job.shape.key_value_heads) {
    const std::int64_t all = job.queries.rows * group;
    // Few lines are shared among the threads.
    const std::int64_t share = (all * job.shape.key_value_heads + threads - 1) / threads;
    lines = std::clamp<std::int64_t>(share, 1, kMostLines);
    blocks = (all + lines - 1) / lines;
    std::int64_t widest = 0;
    for (std::int64_t first = 0; first < all; first += lines) {
      const std::int64_t last = std::min(first + lines, all) - 1;
      const std::int64_t seen = job.end(last / group) - job.begin(first / group);
      visible += std::max<std::int64_t>(seen, 0) * (last + 1 - first);
      widest = std::max(widest, seen);
    }
    // An odd number of cache lines a row: the rows of a block then never share their cache sets.
    scores_step = (((widest + 15) / 16 + 1) | 1) * 16;
    tasks = blocks * job.shape.key_value_heads;
    floats = lines * (scores_step + (job.ring.head_dim + 15) / 16 * 16 + 2 * job.ring.padded() + 16);
  }

  std::int64_t group;  // heads that read one key/value head
  std::int64_t lines = 0;
  std::int64_t blocks = 0;
  std::int64_t tasks = 0;
  std::int64_t visible = 0;  // pairs of line and key, a key/value head
  std::int64_t scores_step = 0;
  std::int64_t floats = 0;  // work memory of one task
};

}  // namespace tessera
