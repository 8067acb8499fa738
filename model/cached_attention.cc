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

void CachedAttention::turn(Context& context, int heads, std::int64_t position, Matrix x) const {
  rotary(context, {heads, shape_.head_dim, rotary_dim_, layout_}, frequencies_.data(), position, x);
}

void CachedAttention::remember(Context& context, std::span<const BatchPart> parts, std::size_t layer, Matrix key,
                               ConstMatrix value) const {
  for (const BatchPart& part : parts) {
    const std::int64_t position = part.sequence->length();
    const Matrix keys = key.slice(part.first_row, part.rows);
    turn(context, shape_.key_value_heads, position, keys);
    part.sequence->cache(layer).append(context, position, keys, value.slice(part.first_row, part.rows));
  }
}

void CachedAttention::forward(Context& context, std::span<const BatchPart> parts, std::size_t layer, Matrix query,
                              Matrix key, ConstMatrix value, const float* sinks, Matrix out) const {
  remember(context, parts, layer, key, value);
  for (const BatchPart& part : parts) {
    const std::int64_t position = part.sequence->length();
    const Matrix queries = query.slice(part.first_row, part.rows);
    turn(context, shape_.heads, position, queries);
    attend(context, part.sequence->cache(layer), shape_, queries, position, 0, position + part.rows,
           out.slice(part.first_row, part.rows), sinks);
  }
}

}  // namespace tessera
