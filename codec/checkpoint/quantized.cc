#include "codec/checkpoint/quantized.h"

#include <bit>

#include "codec/checkpoint/widen.h"

namespace tessera::detail {
namespace {

std::int64_t ceiling(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

std::uint8_t byte_at(const StoredTensor& tensor, std::int64_t i) {
  return std::to_integer<std::uint8_t>(tensor.data[i]);
}

}  // namespace

Shape scales_shape(const BlockSize& blocks, const Shape& weight, std::int64_t pieces) {
  return {pieces * ceiling(weight[0] / pieces, blocks.rows), ceiling(weight[1], blocks.columns)};
}

std::vector<StoredRows> coded_rows(const StoredTensor& values, const BlockSize& blocks, std::int64_t pieces,
                                   std::span<const float> scales) {
  const std::int64_t rows = values.shape[0] / pieces;
  const std::int64_t columns = values.shape[1];
  const std::int64_t across = ceiling(columns, blocks.columns);
  std::vector<StoredRows> parts;
  for (std::int64_t i = 0; i < pieces; ++i) {
    const float* first = scales.data() + i * ceiling(rows, blocks.rows) * across;
    parts.push_back({values.data + i * rows * columns, DType::f32, rows, {first, blocks.rows, blocks.columns, across}});
  }
  return parts;
}

std::vector<float> widen_blocks(const StoredTensor& values, const BlockSize& blocks, std::int64_t pieces,
                                std::span<const float> scales) {
  const WeightSource source(coded_rows(values, blocks, pieces, scales), values.shape[1]);
  std::vector<float> out(values.bytes);
  for (std::int64_t r = 0; r < source.rows(); ++r) {
    (void)source.read(r, 0, source.columns(), out.data() + r * source.columns());
  }
  return out;
}

std::vector<float> widen_mxfp4(const StoredTensor& codes, const StoredTensor& scales) {
  std::vector<float> out;
  out.reserve(codes.bytes * 2);
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(codes.bytes); ++i) {
    const std::uint8_t two = byte_at(codes, i);
    const auto scale = std::bit_cast<float>(widen_e8m0(byte_at(scales, i * 2 / kMxBlock)));
    out.push_back(widen_e2m1(two & 15U) * scale);
    out.push_back(widen_e2m1(two >> 4U) * scale);
  }
  return out;
}

}  // namespace tessera::detail
