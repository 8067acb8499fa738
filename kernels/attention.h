#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

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

/// The newest keys and values of a sequence, by absolute position: a ring of `capacity` positions, zeroed at first, in
/// pages of 256 positions. A page holds keys in panels of 16 positions, [head][16][head_dim][16], so that vector lanes
/// run over keys, then values, [head][256][value_dim rounded up to 16].
class KeyValueCache {
 public:
  /// When pages are taken: all at once, or each when a position of it is appended.
  enum class Growth : std::uint8_t { at_once, by_page };

  /// `capacity` is rounded up to a multiple of 256. Streaming needs left + (positions a call) or more; a whole sequence
  /// its length. `value_dim` 0: as head_dim. Throws ArgumentError when a size is not positive.
  KeyValueCache(Context& context, int heads, int head_dim, std::int64_t capacity, int value_dim = 0,
                Growth growth = Growth::at_once);

  /// Another cache, with a capacity of its own, of the positions in front of `end` that this one still holds. Pages are
  /// shared; whichever of the two writes to one first takes a copy. Not to be used on two threads at once.
  [[nodiscard]] KeyValueCache fork(Context& context, std::int64_t end, std::int64_t capacity) const;

  /// Takes the pages that are not there yet.
  void reserve(Context& context);

  [[nodiscard]] int heads() const noexcept { return heads_; }
  [[nodiscard]] int head_dim() const noexcept { return head_dim_; }
  [[nodiscard]] int value_dim() const noexcept { return value_dim_; }
  [[nodiscard]] std::int64_t capacity() const noexcept { return capacity_; }
  /// Bytes of one page.
  [[nodiscard]] std::int64_t page_bytes() const noexcept;
  /// The pages taken so far; null where there is none yet.
  [[nodiscard]] std::span<const std::shared_ptr<const Tensor>> pages() const noexcept { return pages_; }
  /// Where they lie, for kernels: [capacity / 256] addresses on the device.
  [[nodiscard]] float* const* table() const noexcept { return reinterpret_cast<float* const*>(table_.bytes()); }

  /// Row i of keys [n, heads * head_dim] and values [n, heads * value_dim] becomes position first_position + i in place
  /// of position first_position + i - capacity. Throws ArgumentError when shapes disagree or n > capacity.
  void append(Context& context, std::int64_t first_position, ConstMatrix keys, ConstMatrix values);

 private:
  void put_page(Context& context, std::size_t index, std::shared_ptr<const Tensor> page);
  void own_page(Context& context, std::size_t index);

  int heads_;
  int head_dim_;
  int value_dim_;
  std::int64_t capacity_;
  std::vector<std::shared_ptr<const Tensor>> pages_;
  Tensor table_;
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
/// position in sight has left the ring (end_key - oldest > capacity) or was never appended.
void attend(Context& context, const KeyValueCache& cache, const AttentionShape& shape, ConstMatrix queries,
            std::int64_t first_query, std::int64_t first_key, std::int64_t end_key, Matrix out,
            const float* sinks = nullptr);

}  // namespace tessera
