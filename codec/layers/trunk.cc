#include "codec/layers/trunk.h"

#include <cmath>

#include "kernels/attention.h"

namespace tessera {

std::int64_t TrunkShape::factor() const noexcept {
  std::int64_t factor = 1;
  for (const Level& level : levels) factor *= level.resample ? 2 : 1;
  return factor;
}

ResnetBlock2d::ResnetBlock2d(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t in,
                             std::int64_t out, const PictureNorm::Options& norm)
    : norm1_(context, checkpoint, name + ".norm1", in, norm),
      conv1_(context, checkpoint, {name + ".conv1"}, same_3x3(in, out)),
      norm2_(context, checkpoint, name + ".norm2", out, norm),
      conv2_(context, checkpoint, {name + ".conv2"}, same_3x3(out, out)) {
  if (in != out) shortcut_.emplace(context, checkpoint, std::vector{name + ".nin_shortcut"}, point_1x1(in, out));
}

PictureTensor ResnetBlock2d::forward(Context& context, ConstPicture x, ConstPicture map) const {
  PictureTensor h = conv1_.forward(context, norm1_.forward(context, x, map, Activation::silu).input);
  PictureTensor around;
  if (shortcut_) around = shortcut_->forward(context, {x});
  const NormedPicture normed = norm2_.forward(context, h, map, Activation::silu);
  return conv2_.forward(context, normed.input, {Activation::none, shortcut_ ? ConstPicture(around) : x});
}

AttentionBlock2d::AttentionBlock2d(Context& context, Checkpoint& checkpoint, const std::string& name,
                                   const std::string& norm_name, std::int64_t width, const TrunkShape& shape)
    : heads_(shape.heads),
      norm_(context, checkpoint, norm_name, width, shape.norm),
      in_(context, checkpoint, {name + "." + shape.names.q, name + "." + shape.names.k, name + "." + shape.names.v},
          point_1x1(width, 3 * width)),
      out_(context, checkpoint, {name + "." + shape.names.out}, point_1x1(width, width)) {}

// What lies behind the rows of a picture goes through as queries nobody asks for, but never as a key.
PictureTensor AttentionBlock2d::forward(Context& context, ConstPicture x, ConstPicture map) const {
  const std::int64_t width = x.channels;
  const PictureTensor qkv = in_.forward(context, norm_.forward(context, x, map, Activation::none).input);
  AttentionShape shape;
  shape.heads = shape.key_value_heads = heads_;
  shape.head_dim = static_cast<int>(width / heads_);
  shape.right = -1;
  shape.scale = 1.0F / std::sqrt(static_cast<float>(shape.head_dim));
  KeyValueCache cache(context, heads_, shape.head_dim, x.pixels());
  for (std::int64_t row = 0; row < x.rows; ++row) {
    const ConstMatrix pixels = ConstPicture(qkv).row(row);
    const ConstMatrix keys(pixels.data + width, pixels.rows, width, pixels.row_step);
    const ConstMatrix values(pixels.data + 2 * width, pixels.rows, width, pixels.row_step);
    cache.append(context, row * x.columns, keys, values);
  }
  const PictureTensor mixed(context, x.rows, x.columns, width);
  const ConstMatrix all = ConstPicture(qkv).flat();
  attend(context, cache, shape, all.columns_from(0, width), 0, 0, x.pixels(), mixed.view().flat());
  return out_.forward(context, {mixed}, {Activation::none, x});
}

namespace {

std::string numbered_part(const std::string& list, std::size_t i) { return list + "." + std::to_string(i); }

std::int64_t last_width(const TrunkShape& s) { return s.decoder ? s.levels.back().width : s.middle_width(); }

}  // namespace

Trunk::Trunk(Context& context, Checkpoint& checkpoint, const TrunkShape& shape)
    : shape_(shape),
      conv_in_(context, checkpoint, {shape.names.trunk + ".conv_in"}, same_3x3(shape.in_channels, shape.stem)),
      norm_out_(context, checkpoint, shape.names.trunk + ".norm_out", last_width(shape), shape.norm),
      conv_out_(context, checkpoint, {shape.names.trunk + ".conv_out"},
                same_3x3(last_width(shape), shape.out_channels)) {
  std::int64_t in = shape.stem;
  for (std::size_t i = 0; i < shape.levels.size(); ++i) {
    levels_.push_back(load_level(context, checkpoint, i, in));
    in = shape.levels[i].width;
  }
  load_middle(context, checkpoint);
}

Trunk::Level Trunk::load_level(Context& context, Checkpoint& checkpoint, std::size_t index, std::int64_t in) const {
  const TrunkNames& names = shape_.names;
  const TrunkShape::Level& s = shape_.levels[index];
  const std::string name = numbered_part(names.levels, names.reversed ? shape_.levels.size() - 1 - index : index);
  Level level;
  for (std::size_t j = 0; j < static_cast<std::size_t>(s.blocks); ++j) {
    level.blocks.emplace_back(context, checkpoint, numbered_part(name + "." + names.block, j), in, s.width,
                              shape_.norm);
    in = s.width;
    if (!s.attention) continue;
    const std::string attention = numbered_part(name + ".attn", j);
    const std::string norm = names.level_norms.empty() ? attention + "." + names.attention_norm
                                                       : numbered_part(name + "." + names.level_norms, j);
    level.attention.emplace_back(context, checkpoint, attention, norm, in, shape_);
  }
  if (s.resample) {
    level.resample.emplace(context, checkpoint, std::vector{name + "." + names.resample + ".conv"},
                           shape_.decoder ? same_3x3(in, in) : down_3x3(in));
  }
  return level;
}

void Trunk::load_middle(Context& context, Checkpoint& checkpoint) {
  const TrunkNames& names = shape_.names;
  const std::int64_t width = shape_.middle_width();
  for (const std::string& block : {names.first, names.last}) {
    middle_.emplace_back(context, checkpoint, names.trunk + "." + block, width, width, shape_.norm);
  }
  if (!shape_.middle_attention) return;
  const std::string attention = names.trunk + "." + names.attention;
  const std::string norm =
      names.middle_norm.empty() ? attention + "." + names.attention_norm : names.trunk + "." + names.middle_norm;
  middle_attention_.emplace(context, checkpoint, attention, norm, width, shape_);
}

PictureTensor Trunk::run_levels(Context& context, PictureTensor x, ConstPicture map) const {
  for (const Level& level : levels_) {
    for (std::size_t j = 0; j < level.blocks.size(); ++j) {
      context.check_interrupt();
      x = level.blocks[j].forward(context, x, map);
      if (!level.attention.empty()) x = level.attention[j].forward(context, x, map);
    }
    if (!level.resample) continue;
    Conv2dInput input{x};
    if (shape_.decoder) input.enlarge = 2;
    x = level.resample->forward(context, input);
  }
  return x;
}

PictureTensor Trunk::run_middle(Context& context, PictureTensor x, ConstPicture map) const {
  x = middle_.front().forward(context, x, map);
  if (middle_attention_) x = middle_attention_->forward(context, x, map);
  return middle_.back().forward(context, x, map);
}

PictureTensor Trunk::forward(Context& context, ConstPicture x, ConstPicture map) const {
  PictureTensor h = conv_in_.forward(context, {x});
  if (shape_.decoder) h = run_middle(context, std::move(h), map);
  h = run_levels(context, std::move(h), map);
  if (!shape_.decoder) h = run_middle(context, std::move(h), map);
  return conv_out_.forward(context, norm_out_.forward(context, h, map, Activation::silu).input);
}

}  // namespace tessera
