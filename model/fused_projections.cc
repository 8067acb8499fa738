#include "model/fused_projections.h"

namespace tessera {
namespace {

// An FP8 tensor of another number of ranks often has the same shape, and only other scales.
int count_ranks(const Checkpoint& checkpoint, const std::string& name, const Shape& shape, int most) {
  for (int ranks = most; ranks > 0; --ranks) {
    if (most % ranks == 0 && checkpoint.has_pieces(name, shape, ranks)) return ranks;
  }
  throw CheckpointError(checkpoint.name() + ": tensor \"" + name + "\" has scales that fit no number of ranks");
}

}  // namespace

ProjectionRows split_fused(Checkpoint& checkpoint, const std::string& name, const DecoderAttention& a,
                           std::int64_t hidden) {
  const std::int64_t queries = std::int64_t{a.heads} * a.head_dim;
  const std::int64_t keys = std::int64_t{a.key_value_heads} * a.head_dim;
  const std::int64_t values = std::int64_t{a.key_value_heads} * a.value_dim;
  const Shape shape{queries + keys + values, hidden};
  const int ranks = count_ranks(checkpoint, name, shape, a.fused_ranks);
  const std::vector<float> all = checkpoint.floats(name, shape, ranks);
  ProjectionRows split;
  const float* from = all.data();
  const auto take = [&](std::int64_t rows, std::vector<float>& to) {
    const float* end = from + rows / ranks * hidden;
    to.insert(to.end(), from, end);
    from = end;
  };
  for (int r = 0; r < ranks; ++r) {
    take(queries, split.query);
    take(keys, split.key);
    take(values, split.value);
  }
  return split;
}

}  // namespace tessera
