#pragma once

#include <span>

#include "kernels/attention.h"
#include "kernels/tensor.h"
#include "model/cache.h"
#include "model/config.h"

namespace tessera {

/// What every kind of attention does between its projections: turn queries and keys, append keys and values to the
/// sequences' caches, attend.
class CachedAttention {
 public:
  CachedAttention(Context& context, const DecoderAttention& config);

  [[nodiscard]] const AttentionShape& shape() const noexcept { return shape_; }

  /// The rows are the next positions of the sequences in `parts`: query [rows, heads * head_dim] and key [rows,
  /// key_value_heads * head_dim] turn in place, value is [rows, key_value_heads * value_dim], out [rows, heads *
  /// value_dim]. `layer` is the number that caches go by; `sinks` null or a logit a head, on the device.
  void forward(Context& context, std::span<const BatchPart> parts, std::size_t layer, Matrix query, Matrix key,
               ConstMatrix value, const float* sinks, Matrix out) const;
  /// Only what later rows will look at.
  void remember(Context& context, std::span<const BatchPart> parts, std::size_t layer, Matrix key,
                ConstMatrix value) const;

 private:
  void turn(Context& context, int heads, std::int64_t position, Matrix x) const;

  AttentionShape shape_;
  int rotary_dim_;
  RotaryLayout layout_;
  Tensor frequencies_;
};

}  // namespace tessera
