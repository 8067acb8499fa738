#include "model/cached_attention.h"

#include "codec/layers/linear.h"
#include "kernels/rotary.h"

namespace tessera {
namespace {

AttentionShape shape_of(const DecoderAttention& a) {
  AttentionShape shape;
  shape.heads = a.heads;
  shape.key_value_heads = a.key_value_heads;
  shape.head_dim = a.head_dim;
  shape.left = a.left;
  shape.right = 0;
  shape.scale = a.scale;
  shape.value_dim = a.value_dim;
  return shape;
}

}  // namespace

CachedAttention::CachedAttention(Context& context, const DecoderAttention& config)
    : shape_(shape_of(config)),
      rotary_dim_(config.rotary_dim),
      layout_(config.layout),
      frequencies_(to_device(context, config.frequencies)) {}

void CachedAttention::forward(Context& context, std::span<const BatchPart> parts, std::size_t layer, Matrix query,
                              Matrix key, ConstMatrix value, const float* sinks, Matrix out) const {
  for (const BatchPart& part : parts) {
    const std::int64_t position = part.sequence->length();
    const auto rows = [&](auto matrix) { return matrix.slice(part.first_row, part.rows); };
    const auto turn = [&](int heads, Matrix x) {
      rotary(context, {heads, shape_.head_dim, rotary_dim_, layout_}, frequencies_.data(), position, x);
    };
    turn(shape_.heads, rows(query));
    turn(shape_.key_value_heads, rows(key));
    KeyValueCache& cache = part.sequence->cache(layer);
    cache.append(context, position, rows(key), rows(value));
    attend(context, cache, shape_, rows(query), position, 0, position + part.rows, rows(out), sinks);
  }
}

}  // namespace tessera
