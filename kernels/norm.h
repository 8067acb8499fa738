#pragma once

#include <cstdint>

#include "kernels/picture.h"

namespace tessera {

/// Normalisations. `weight` and `bias` are one float a column; a null bias is left out. `epsilon` is added in float32.
/// In place is fine. Sums along a row are the 16 interleaved chains of the arithmetic contract. All throw ArgumentError
/// when shapes disagree.

/// Each row of [rows, columns]: mean = sum x / n; d = x - mean; scale = 1 / sqrt(sum d*d / n + epsilon);
/// y = fma(d * scale, weight, bias), without bias (d * scale) * weight. PyTorch's LayerNorm over the last axis.
void layer_norm(Context& context, ConstMatrix input, const float* weight, const float* bias, float epsilon, Matrix out);

/// Each row of [rows, columns]: scale = 1 / sqrt(sum x*x / n + epsilon); y = (x * scale) * weight.
void rms_norm(Context& context, ConstMatrix input, const float* weight, float epsilon, Matrix out);

/// [positions, channels], the channels in `groups` equal neighbouring groups: as layer_norm, mean and variance taken
/// over all positions and the channels of a group. A position gives one sum over its channels; these are added in
/// slices of 256 positions, each one ascending chain from zero, and the slices in ascending order. PyTorch's GroupNorm
/// of one picture or clip.
void group_norm(Context& context, ConstMatrix input, std::int64_t groups, const float* weight, const float* bias,
                float epsilon, Matrix out);

/// What group_norm takes of a picture, its positions being the pixels in reading order: `moments` is 2 * channels
/// floats on the device, the mean of each channel's group, then its 1 / sqrt(variance + epsilon).
void group_moments(Context& context, ConstPicture x, std::int64_t groups, float epsilon, float* moments);

/// Each row of [rows, columns]: norm = sqrt(sum x*x); y = x / max(norm, epsilon). PyTorch's F.normalize over the last
/// axis. Rows and codebook normalised so, nearest_codes (kernels/search.h) finds the entry of the largest cosine.
void l2_normalize(Context& context, ConstMatrix x, float epsilon, Matrix out);

}  // namespace tessera
