#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/tensor.h"

namespace tessera {

/// Scales that blocks of weights share: that of (row, column) is data[row / rows * across + column / columns].
struct ScaleBlocks {
  const float* data = nullptr;
  std::int64_t rows = 1;
  std::int64_t columns = 1;
  std::int64_t across = 0;  ///< blocks in a row
};

/// Rows one behind another as a file stores them: f32, f16 or bf16, little-endian, at any address; with scales they are
/// FP8 (E4M3) instead, each times its scale, rounded once.
struct StoredRows {
  const std::byte* data = nullptr;
  DType type = DType::f32;
  std::int64_t rows = 0;
  ScaleBlocks scales = {};
};

/// A row of FP8 from an input on.
struct CodedRow {
  const std::byte* codes;
  const float* scales;   ///< of the row's blocks
  std::int64_t first;    ///< input that codes[0] is of
  std::int64_t columns;  ///< of a block
  /// Of codes[k].
  [[nodiscard]] float scale(std::int64_t k) const { return scales[(first + k) / columns]; }
};

/// A matrix [outputs, inputs] to be packed, of memory that the caller keeps: float32, or as stored, which is widened
/// exactly piece by piece as it is read, so that no copy of the whole is made.
class WeightSource {
 public:
  explicit WeightSource(ConstMatrix matrix) : rows_(matrix.rows), columns_(matrix.columns), matrix_(matrix) {}
  /// `parts`: their rows follow one another. Throws ArgumentError for i32.
  WeightSource(std::vector<StoredRows> parts, std::int64_t columns);

  [[nodiscard]] std::int64_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::int64_t columns() const noexcept { return columns_; }
  /// Inputs [k, k + depth) of an output: where they lie, or in `staged`, [depth]. Safe on several threads.
  [[nodiscard]] const float* read(std::int64_t row, std::int64_t k, std::int64_t depth, float* staged) const;
  /// None where the source is a matrix.
  [[nodiscard]] const std::vector<StoredRows>& parts() const noexcept { return parts_; }
  /// An output from input k on, of parts that are FP8.
  [[nodiscard]] CodedRow coded(std::int64_t row, std::int64_t k) const;

 private:
  [[nodiscard]] const StoredRows& part_of(std::int64_t& row) const;

  std::int64_t rows_ = 0;
  std::int64_t columns_;
  ConstMatrix matrix_;
  std::vector<StoredRows> parts_;  // none: of the matrix
};

}  // namespace tessera
