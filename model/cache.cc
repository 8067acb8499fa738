#include "model/cache.h"

#include <algorithm>
#include <string>

#include "kernels/error.h"

namespace tessera {

Sequence::Sequence(Context& context, const DecoderConfig& config, std::int64_t capacity) : capacity_(capacity) {
  if (capacity <= 0) throw ArgumentError("a sequence has room for 1 position or more");
  for (const DecoderLayerConfig& layer : config.layers) {
    const DecoderAttention& a = layer.attention;
    const std::int64_t kept = a.left < 0 ? capacity : std::min(capacity, a.left + kMostDecoderRows);
    caches_.emplace_back(context, a.key_value_heads, a.head_dim, kept, a.value_dim);
  }
}

void Sequence::truncate(std::int64_t length) {
  if (length < 0 || length > length_ || length_ - length > kMostDecoderRows) {
    throw ArgumentError("a sequence of " + std::to_string(length_) + " positions cannot go back to " +
                        std::to_string(length));
  }
  length_ = length;
}

}  // namespace tessera
