#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/tensor.h"

namespace tessera {

/// Rows one behind another as a file stores them: f32, f16 or bf16, little-endian, at any address.
struct StoredRows {
  const std::byte* data = nullptr;
  DType type = DType::f32;
  std::int64_t rows = 0;
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

 private:
  std::int64_t rows_ = 0;
  std::int64_t columns_;
  ConstMatrix matrix_;
  std::vector<StoredRows> parts_;  // none: of the matrix
};

}  // namespace tessera
