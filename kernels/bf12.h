#pragma once

#include <cstdint>
#include <optional>

#include "kernels/arithmetic.h"
#include "kernels/product.h"

namespace tessera::bf12 {

// Weights in bfloat16 in 12 bits each, and none of them changed. The exponents of a matrix lie close together: of 256 a
// panel's slice uses about 16. So a weight keeps its sign and fraction, and of its exponent the distance from the
// slice's base. Eight inputs of a panel (an octet) that hold a weight out of that reach lie as they are behind all
// panels; a matrix with many such stays in 16 bits.
//
// The part of a panel (16 outputs) in one slice: a header of 64 bytes, then for each octet, zeros behind the last
// input, uint32 [3][16]: exponents, four bits each, the first input in the lowest; signs and fractions of inputs 0 … 3,
// then of 4 … 7. Those of input i are bits 31 and 22 … 16, where a float has them, rotated right by 8 (i mod 4). An
// octet as it is: bfloat16 [8][16]. Behind all of it there are quantised::kPadding bytes.
//
// That the exponents of networks' weights carry less than three bits: Zhang et al., "70% Size, 100% Accuracy: Lossless
// LLM Compression for Efficient GPU Inference via Dynamic-Length Float", 2025.

inline constexpr std::int64_t kHeaderBytes = 64;
inline constexpr std::int64_t kOctet = 8;
inline constexpr std::int64_t kOctetBytes = 3 * 64;
inline constexpr std::int64_t kRawOctetBytes = kOctet * 16 * 2;
/// Where a float keeps sign and fraction of a bfloat16.
inline constexpr std::uint32_t kSignAndFraction = 0x807f0000;
/// Exponents in reach: base … base + 15.
inline constexpr std::uint32_t kReach = 16;

/// Smaller matrices hardly matter, and their headers do: pack_weights leaves them in 16 bits.
inline constexpr std::int64_t kLeastWeights = 1 << 16;

/// What a panel's slice begins with.
struct Header {
  std::uint32_t raw = 0;    ///< a bit for each octet that lies as it is
  std::uint32_t base = 0;   ///< least exponent, biased
  std::int64_t raw_at = 0;  ///< bytes from here to the first of those octets, which are in order
};

/// Bytes of a panel's part in a slice of `depth` inputs, without octets as they are.
TESSERA_HOST_DEVICE constexpr std::int64_t panel_bytes(std::int64_t depth) {
  return depth == 0 ? 0 : kHeaderBytes + (depth + kOctet - 1) / kOctet * kOctetBytes;
}

/// Of weights that are bfloat16 numbers (others round to them); none where that would hardly be smaller.
[[nodiscard]] std::optional<PackedWeights> pack(Context& context, const WeightSource& weight);

}  // namespace tessera::bf12
