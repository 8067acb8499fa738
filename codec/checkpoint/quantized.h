#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codec/checkpoint/checkpoint.h"

namespace tessera::detail {

/// Rows and columns of a weight that share a scale.
struct BlockSize {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

/// The shape of the scales of a weight [rows, columns], the rows of which are `pieces` equal pieces with blocks of
/// their own; the last block of a piece and of a row may be partial.
[[nodiscard]] Shape scales_shape(const BlockSize& blocks, const Shape& weight, std::int64_t pieces);

/// A weight in E4M3 as WeightSource reads it, a part for each piece. `scales` has scales_shape() and stays.
[[nodiscard]] std::vector<StoredRows> coded_rows(const StoredTensor& values, const BlockSize& blocks,
                                                 std::int64_t pieces, std::span<const float> scales);

/// value * scale of its block, rounded once: E4M3 as DeepSeek-V3 and MiMo-V2 store it. `scales` has scales_shape().
[[nodiscard]] std::vector<float> widen_blocks(const StoredTensor& values, const BlockSize& blocks, std::int64_t pieces,
                                              std::span<const float> scales);

/// Elements of a row of MXFP4 that share a scale.
inline constexpr std::int64_t kMxBlock = 32;

/// MXFP4 (OCP Microscaling 1.0), exact: `codes` [rows, columns / 2] holds two E2M1 codes a byte, the even column in the
/// low bits; `scales` [rows, columns / 32] the exponents (E8M0). Whole blocks only.
[[nodiscard]] std::vector<float> widen_mxfp4(const StoredTensor& codes, const StoredTensor& scales);

}  // namespace tessera::detail
