#include "model/cache.h"

#include <algorithm>
#include <string>

#include "kernels/error.h"

namespace tessera {

namespace {

// Positions that a layer keeps.
std::int64_t kept_positions(const DecoderAttention& a, std::int64_t capacity) {
  return a.left < 0 ? capacity : std::min(capacity, a.left + kMostDecoderRows);
}

std::int64_t round_up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }

}  // namespace

std::int64_t Sequence::bytes(const DecoderConfig& config, std::int64_t capacity) {
  std::int64_t floats = 0;
  for (const DecoderLayerConfig& layer : config.layers) {
    const DecoderAttention& a = layer.attention;
    const std::int64_t width = a.head_dim + round_up(a.value_dim, 16);
    floats += round_up(kept_positions(a, capacity), 256) * a.key_value_heads * width;
  }
  return floats * static_cast<std::int64_t>(sizeof(float));
}

Sequence::Sequence(Context& context, const DecoderConfig& config, std::int64_t capacity) : capacity_(capacity) {
  if (capacity <= 0) throw ArgumentError("a sequence has room for 1 position or more");
  for (const DecoderLayerConfig& layer : config.layers) {
    const DecoderAttention& a = layer.attention;
    caches_.emplace_back(context, a.key_value_heads, a.head_dim, kept_positions(a, capacity), a.value_dim);
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
