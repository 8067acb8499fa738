#include "codec/quantizer/projected.h"

#include "codec/layers/linear.h"
#include "codec/quantizer/unit_rows.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/norm.h"

namespace tessera {
namespace {

ConvLayer::Options projection(std::int64_t in, std::int64_t out) {
  ConvLayer::Options options;
  options.shape = {in, out, 1, 1, 1, 1};
  options.math = Math::exact;
  return options;
}

Tensor project(Context& context, const ConvLayer& layer, ConstMatrix x, const Epilogue& after = {}) {
  ConvLayer::State none;
  return layer.forward(context, none, x, after);
}

}  // namespace

ProjectedQuantizer::ProjectedQuantizer(Context& context, Checkpoint& checkpoint, const Shape& shape)
    : shape_(shape), minus_(to_device(context, std::vector<float>(static_cast<std::size_t>(shape.latent), -1.0F))) {
  for (int i = 0; i < static_cast<int>(shape.strides.size()); ++i) {
    levels_.push_back(load_level(context, checkpoint, shape, i));
  }
}

ProjectedQuantizer::Level ProjectedQuantizer::load_level(Context& context, Checkpoint& checkpoint, const Shape& shape,
                                                         int index) {
  const std::string name = "quantizer.quantizers." + std::to_string(index);
  const std::int64_t size = shape.codebook_size;
  const std::int64_t width = shape.codebook_width;
  const std::vector<float> entries = checkpoint.floats(name + ".codebook.weight", {size, width});
  const std::vector<float> directions = unit_rows(entries, width);
  Tensor stored = context.allocate({size, width});
  context.upload(entries.data(), stored.bytes(), entries.size() * sizeof(float));
  return {{context, checkpoint, name + ".in_proj", projection(shape.latent, width)},
          {context, checkpoint, name + ".out_proj", projection(width, shape.latent)},
          std::move(stored),
          pack_codebook(context, {directions.data(), size, width}),
          shape.strides[static_cast<std::size_t>(index)]};
}

Tensor ProjectedQuantizer::nearest(Context& context, const Level& level, ConstMatrix projected) const {
  const Tensor direction = context.scratch({projected.rows, projected.columns});
  l2_normalize(context, projected, kLeastNorm, direction);
  Tensor ids = context.scratch({projected.rows}, DType::i32);
  nearest_codes(context, direction, level.directions, ids.ints());
  return ids;
}

void ProjectedQuantizer::encode(Context& context, ConstMatrix x, int levels,
                                std::vector<std::vector<std::int32_t>>& rows) const {
  const Tensor residual = copy_of(context, x);
  for (int i = 0; i < levels; ++i) {
    const Level& level = levels_[static_cast<std::size_t>(i)];
    Tensor pooled;
    if (level.stride > 1) {
      pooled = context.scratch({x.rows / level.stride, x.columns});
      mean_frames(context, residual, level.stride, pooled);
    }
    const Tensor projected = project(context, level.in, level.stride > 1 ? pooled : residual);
    const Tensor ids = nearest(context, level, projected);
    std::vector<std::int32_t>& row = rows.emplace_back(static_cast<std::size_t>(ids.size()));
    context.download(ids.bytes(), row.data(), row.size() * sizeof(std::int32_t));
    if (i + 1 < levels) subtract(context, level, projected, ids, residual);
  }
}

// The references pass the entry through z + (entry - z), which rounds.
void ProjectedQuantizer::subtract(Context& context, const Level& level, ConstMatrix projected, const Tensor& ids,
                                  Matrix residual) const {
  const Tensor entry = context.scratch({projected.rows, projected.columns});
  embedding(context, level.entries, ids.ints(), entry);
  const Tensor minus = context.scratch({projected.rows, projected.columns});
  scale(context, projected, -1.0F, minus);
  add(context, entry, minus, entry);
  add(context, projected, entry, entry);
  add_projection(context, level, entry, minus_.data(), residual);
}

// sum += sign * out_proj(entries), each entry for `stride` frames.
void ProjectedQuantizer::add_projection(Context& context, const Level& level, ConstMatrix entries, const float* sign,
                                        Matrix sum) const {
  Epilogue after;
  after.scale = sign;
  if (level.stride == 1) {
    after.residual = sum;
    const Tensor total = project(context, level.out, entries, after);
    return copy_frames(context, total, sum);
  }
  const Tensor once = project(context, level.out, entries, after);
  const Tensor repeated = context.scratch({sum.rows, sum.columns});
  repeat_frames(context, once, level.stride, repeated);
  add(context, sum, repeated, sum);
}

Tensor ProjectedQuantizer::decode(Context& context, const Codes& codes) const {
  const std::int64_t frames = codes.frames() * shape_.strides.front();
  Tensor sum = context.scratch({frames, shape_.latent});
  fill(context, 0.0F, sum);
  for (std::size_t i = 0; i < codes.rows.size(); ++i) {
    const std::vector<std::int32_t>& row = codes.rows[i];
    const Tensor ids = context.scratch({static_cast<std::int64_t>(row.size())}, DType::i32);
    context.upload(row.data(), ids.bytes(), row.size() * sizeof(std::int32_t));
    const Tensor entries = context.scratch({ids.size(), shape_.codebook_width});
    embedding(context, levels_[i].entries, ids.ints(), entries);
    add_projection(context, levels_[i], entries, nullptr, sum);
  }
  return sum;
}

}  // namespace tessera
