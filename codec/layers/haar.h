#pragma once

#include <optional>

#include "codec/layers/conv2d.h"

namespace tessera {

/// Haar wavelets in place of an image codec's first halvings, as in the Cosmos tokenizers (NVIDIA 2024): of each pixel
/// quad (a b / c d) and channel LL = (a + b + c + d) / 4, LH = (a + b - c - d) / 4, HL = (a - b + c - d) / 4,
/// HH = (a - b - c + d) / 4, channels [all LL, all LH, all HL, all HH]; again of what comes out, once for each factor
/// of two. All levels together are one product over a patch, with weights of +-1 / side² in, +-1 out.
class HaarPatches {
 public:
  /// `side` of a patch: a power of two; 1 changes nothing.
  HaarPatches(Context& context, std::int64_t side, std::int64_t channels);

  [[nodiscard]] std::int64_t side() const noexcept { return side_; }
  /// [rows, columns, channels] to [rows / side, columns / side, channels side²].
  [[nodiscard]] PictureTensor split(Context& context, PictureTensor picture) const;
  /// And back.
  [[nodiscard]] PictureTensor join(Context& context, PictureTensor patches) const;

 private:
  std::int64_t side_;
  std::int64_t channels_;
  std::optional<Conv2dLayer> split_;
  std::optional<Conv2dLayer> join_;
};

}  // namespace tessera
