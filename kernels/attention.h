#pragma once

#include <cstdint>

#include "kernels/arithmetic.h"
#include "kernels/context.h"

namespace tessera {

/// Softmax attention. Query head h reads key/value head h / (heads / key_value_heads).
struct AttentionShape {
  int heads = 0;
  int key_value_heads = 0;
  int head_dim = 0;  ///< of queries and keys, 1…1024
  /// A query at position p sees keys p - left … p + right. -1: no limit. Causal: right = 0.
  std::int64_t left = -1;
  std::int64_t right = 0;
  float scale = 1.0F;  ///< usually 1 / sqrt(head_dim)
  /// 1…1024; 0: head_dim. Values and results have heads of this size.
  int value_dim = 0;

  [[nodiscard]] TESSERA_HOST_DEVICE int values() const noexcept { return value_dim == 0 ? head_dim : value_dim; }
};

/// The newest keys and values of a sequence, by absolute position: a ring of `capacity` positions, zeroed at first.
/// Keys lie in panels of 16 positions, [head][capacity/16][head_dim][16], so that vector lanes run over keys; values
/// are [head][capacity][value_dim rounded up to 16].
class KeyValueCache {
 public:
  /// `capacity` is rounded up to a multiple of 256. Streaming needs left + (positions a call) or more; a whole sequence
  /// its length. `value_dim` 0: as head_dim. Throws ArgumentError when a size is not positive.
  KeyValueCache(Context& context, int heads, int head_dim, std::int64_t capacity, int value_dim = 0);

  [[nodiscard]] int heads() const noexcept { return heads_; }
  [[nodiscard]] int head_dim() const noexcept { return head_dim_; }
  [[nodiscard]] int value_dim() const noexcept { return value_dim_; }
  [[nodiscard]] std::int64_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] float* keys() const noexcept { return keys_.data(); }
  [[nodiscard]] float* values() const noexcept { return values_.data(); }

  /// Row i of keys [n, heads * head_dim] and values [n, heads * value_dim] becomes position first_position + i in place
  /// of position first_position + i - capacity. Throws ArgumentError when shapes disagree or n > capacity.
  void append(Context& context, std::int64_t first_position, ConstMatrix keys, ConstMatrix values);

 private:
  int heads_;
  int head_dim_;
  int value_dim_;
  std::int64_t capacity_;
  Tensor keys_;
  Tensor values_;
};

/// out[i] = attention of query row i, at position first_query + i, over the cached positions that it sees among
/// [first_key, end_key): end_key is one past the newest appended, first_key the oldest that counts (usually 0).
/// queries are [n, heads * head_dim], out is [n, heads * value_dim]; they do not overlap. A query that sees nothing
/// gives zeros. `sinks`: null, or one logit a query head, [heads] on the device, that takes its share of the softmax
/// and has no value (Xiao et al. 2023; gpt-oss, MiMo-V2).
///
/// s[j] = scale * dot(query, key j), the dot in slices of 256; m = max of s and the sink; e[j] = exp(s[j] - m).
/// Positions are cut in slices of 256 (slice = j / 256). A slice has a denominator, the e[j] added in 16 interleaved
/// chains (by j mod 16) folded by halves, and a numerator for each element d, one ascending chain of fma(e[j], value[j,
/// d], chain) from zero. Slices with a visible key are added in ascending order, to the denominators' sum then exp(sink
/// - m); out[d] = numerator[d] / denominator. So the result depends on no batch, chunk or capacity, and keys a query
/// does not see never touch it, whatever they hold. Throws ArgumentError when shapes disagree, or when the oldest
/// position in sight has left the ring (end_key - oldest > capacity).
void attend(Context& context, const KeyValueCache& cache, const AttentionShape& shape, ConstMatrix queries,
            std::int64_t first_query, std::int64_t first_key, std::int64_t end_key, Matrix out,
            const float* sinks = nullptr);

}  // namespace tessera
