#include "kernels/weight_source.h"

#include <cstring>

#include "kernels/error.h"
#include "kernels/narrow.h"

namespace tessera {
namespace {

template <float (*widen)(std::uint16_t)>
void widen_all(const std::byte* from, std::int64_t count, float* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, from + i * 2, sizeof bits);
    to[i] = widen(bits);
  }
}

void widen_stored(DType type, const std::byte* from, std::int64_t count, float* to) {
  if (type == DType::bf16) return widen_all<float_from_bf16>(from, count, to);
  if (type == DType::f16) return widen_all<float_from_f16>(from, count, to);
  std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
}

CodedRow coded_row(const StoredRows& part, std::int64_t columns, std::int64_t row, std::int64_t k) {
  const ScaleBlocks& blocks = part.scales;
  return {part.data + row * columns + k, blocks.data + row / blocks.rows * blocks.across, k, blocks.columns};
}

void widen_coded(const CodedRow& row, std::int64_t count, float* to) {
  for (std::int64_t k = 0; k < count; ++k) {
    to[k] = float_from_e4m3(std::to_integer<std::uint8_t>(row.codes[k])) * row.scale(k);
  }
}

}  // namespace

WeightSource::WeightSource(std::vector<StoredRows> parts, std::int64_t columns)
    : columns_(columns), parts_(std::move(parts)) {
  for (const StoredRows& part : parts_) {
    if (part.type == DType::i32) throw ArgumentError("weights are stored as f32, f16 or bf16");
    rows_ += part.rows;
  }
}

const float* WeightSource::read(std::int64_t row, std::int64_t k, std::int64_t depth, float* staged) const {
  if (parts_.empty()) return matrix_.row(row) + k;
  const StoredRows& part = part_of(row);
  if (part.scales.data != nullptr) {
    widen_coded(coded_row(part, columns_, row, k), depth, staged);
    return staged;
  }
  const std::int64_t element = row * columns_ + k;
  widen_stored(part.type, part.data + element * static_cast<std::int64_t>(size_of(part.type)), depth, staged);
  return staged;
}

CodedRow WeightSource::coded(std::int64_t row, std::int64_t k) const {
  const StoredRows& part = part_of(row);
  return coded_row(part, columns_, row, k);
}

// `row` becomes the part's.
const StoredRows& WeightSource::part_of(std::int64_t& row) const {
  const StoredRows* part = parts_.data();
  for (; row >= part->rows; ++part) row -= part->rows;
  return *part;
}

}  // namespace tessera
