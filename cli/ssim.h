#pragma once

#include <cstdint>
#include <span>

namespace tessera::cli {

/// Mean structural similarity (Wang et al. 2004) of two pictures of 8-bit RGB samples, [rows, columns, 3], by the rule
/// of scikit-image's structural_similarity(x, y, channel_axis=2, data_range=255): windows of 7 by 7 pixels of equal
/// weight that lie in the picture, in each of them, with means m, sample (co)variances v over 49 - 1,
///   (2 mx my + C1) (2 vxy + C2) / ((mx² + my² + C1) (vx + vy + C2)),  C1 = (0.01 * 255)², C2 = (0.03 * 255)²,
/// the mean over all windows of a channel, then over the channels. 1 is best. NaN for a side below 7 pixels.
/// Sums in a window are whole numbers, all else double precision in a fixed order: the same on every machine.
[[nodiscard]] double structural_similarity(std::span<const std::uint8_t> x, std::span<const std::uint8_t> y, int rows,
                                           int columns);

}  // namespace tessera::cli
