#include "codec/layers/haar.h"

#include <bit>

#include "kernels/elementwise.h"

namespace tessera {
namespace {

/// Of band `band`, whose quaternary digits are the levels' LL, LH, HL, HH, the last level's the highest: -1 where the
/// pixel (y, x) of a patch counts negative. Bit k of a coordinate is the pixel's place in a quad of level k.
float sign_of(std::int64_t band, std::int64_t y, std::int64_t x, int levels) {
  std::int64_t odd = 0;
  for (int level = 0; level < levels; ++level) {
    const std::int64_t digit = band >> 2 * level & 3;
    odd ^= (digit & 1 & y >> level) ^ (digit >> 1 & x >> level);
  }
  return (odd & 1) != 0 ? -1.0F : 1.0F;
}

/// Patch channels are (band, c): each level puts its own band outside of the channels that it was given.
struct Layout {
  std::int64_t side;
  std::int64_t channels;
  int levels;

  [[nodiscard]] std::int64_t bands() const { return side * side; }
  [[nodiscard]] std::int64_t width() const { return bands() * channels; }
  /// Calls f(patch channel, picture channel, y, x, sign) for all that touch each other.
  template <class Function>
  void each(const Function& f) const {
    for (std::int64_t band = 0; band < bands(); ++band) {
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t i = 0; i < bands(); ++i) {
          const std::int64_t y = i / side;
          const std::int64_t x = i % side;
          f(band * channels + c, c, y, x, sign_of(band, y, x, levels));
        }
      }
    }
  }
};

}  // namespace

HaarPatches::HaarPatches(Context& context, std::int64_t side, std::int64_t channels)
    : side_(side), channels_(channels) {
  if (side == 1) return;
  const Layout layout{side, channels, static_cast<int>(std::bit_width(static_cast<std::uint64_t>(side))) - 1};
  const std::int64_t width = layout.width();
  const auto count = static_cast<std::size_t>(width * width);
  std::vector<float> split(count);  // [patch channel][picture channel][y][x]
  std::vector<float> join(count);   // [y][x][picture channel] of [patch channel]
  const float share = 1.0F / static_cast<float>(layout.bands());
  layout.each([&](std::int64_t out, std::int64_t c, std::int64_t y, std::int64_t x, float sign) {
    split[static_cast<std::size_t>(((out * channels + c) * side + y) * side + x)] = sign * share;
    join[static_cast<std::size_t>(((y * side + x) * channels + c) * width + out)] = sign;
  });
  split_.emplace(context, split, std::vector<float>(), Conv2dShape{channels, width, side, side}, Math::exact);
  join_.emplace(context, join, std::vector<float>(), point_1x1(width, width), Math::exact);
}

PictureTensor HaarPatches::split(Context& context, PictureTensor picture) const {
  if (!split_) return picture;
  return split_->forward(context, ConstPicture(picture));
}

PictureTensor HaarPatches::join(Context& context, PictureTensor patches) const {
  if (!join_) return patches;
  const PictureTensor pixels = join_->forward(context, ConstPicture(patches));
  const ConstPicture from = pixels;
  PictureTensor out(context, from.rows * side_, from.columns * side_, channels_);
  const std::int64_t run = side_ * channels_;  // a patch's share of a row of pixels
  for (std::int64_t row = 0; row < from.rows * side_; ++row) {
    const ConstMatrix patch_row = from.row(row / side_).columns_from(row % side_ * run, run);
    copy_rows(context, {patch_row.data, patch_row.rows, run, from.channels},
              {out.view().row(row).data, from.columns, run});
  }
  return out;
}

}  // namespace tessera
