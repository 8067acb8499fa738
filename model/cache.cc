#include "model/cache.h"

#include <algorithm>
#include <string>

#include "kernels/error.h"

namespace tessera {

namespace {

// Positions that a layer keeps which looks `reach` back.
std::int64_t kept_positions(std::int64_t reach, std::int64_t capacity) {
  return reach < 0 ? capacity : std::min(capacity, reach + kMostDecoderRows);
}

std::int64_t round_up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }

}  // namespace

std::int64_t Sequence::bytes(const DecoderConfig& config, std::int64_t capacity) {
  std::int64_t floats = 0;
  for (const DecoderLayerConfig& layer : config.layers) {
    const DecoderAttention& a = layer.attention;
    const std::int64_t width = a.head_dim + round_up(a.value_dim, 16);
    floats += round_up(kept_positions(a.left, capacity), kSlice) * a.key_value_heads * width;
  }
  return floats * static_cast<std::int64_t>(sizeof(float));
}

Sequence::Sequence(Context& context, const DecoderConfig& config, std::int64_t capacity) : capacity_(capacity) {
  if (capacity <= 0) throw ArgumentError("a sequence has room for 1 position or more");
  for (const DecoderLayerConfig& layer : config.layers) {
    const DecoderAttention& a = layer.attention;
    reach_.push_back(a.left);
    caches_.emplace_back(context, a.key_value_heads, a.head_dim, kept_positions(a.left, capacity), a.value_dim,
                         KeyValueCache::Growth::by_page);
  }
}

void Sequence::reserve(Context& context) {
  for (KeyValueCache& cache : caches_) cache.reserve(context);
}

bool Sequence::reaches(std::int64_t length) const noexcept {
  if (length < 0 || length > length_) return false;
  if (length_ - length <= kMostDecoderRows) return true;
  return std::all_of(caches_.begin(), caches_.end(), [&](const auto& cache) { return length_ <= cache.capacity(); });
}

void Sequence::truncate(std::int64_t length) {
  if (!reaches(length)) {
    throw ArgumentError("a sequence of " + std::to_string(length_) + " positions cannot go back to " +
                        std::to_string(length));
  }
  length_ = length;
}

Sequence Sequence::fork(Context& context, std::int64_t length, std::int64_t capacity) const {
  if (!reaches(length) || length > capacity || capacity <= 0) {
    throw ArgumentError("a sequence of " + std::to_string(length_) + " positions has no fork of " +
                        std::to_string(length) + " in room for " + std::to_string(capacity));
  }
  Sequence other(capacity, length, reach_);
  for (std::size_t i = 0; i < caches_.size(); ++i) {
    other.caches_.push_back(caches_[i].fork(context, length, kept_positions(reach_[i], capacity)));
  }
  return other;
}

std::int64_t Sequence::bytes_beside(std::set<const Tensor*>& counted) const {
  std::int64_t bytes = 0;
  for (const KeyValueCache& cache : caches_) {
    for (const auto& page : cache.pages()) {
      if (page && counted.insert(page.get()).second) bytes += cache.page_bytes();
    }
  }
  return bytes;
}

}  // namespace tessera
