#pragma once

#include <cstdint>

#include "kernels/arithmetic.h"
#include "kernels/tensor.h"

namespace tessera {

struct NormJob {
  ConstMatrix input;
  const float* weight;
  const float* bias;
  float epsilon;
  Matrix out;
};

struct GroupNormJob {
  NormJob norm;
  std::int64_t groups;
  float* work;

  [[nodiscard]] TESSERA_HOST_DEVICE std::int64_t width() const { return norm.input.columns / groups; }
  [[nodiscard]] TESSERA_HOST_DEVICE std::int64_t slices() const { return (norm.input.rows + kSlice - 1) / kSlice; }
  [[nodiscard]] TESSERA_HOST_DEVICE float count() const { return static_cast<float>(norm.input.rows * width()); }

  // The parts of `work`: the mean and the scale of each channel, then a sum for each slice and group.
  [[nodiscard]] TESSERA_HOST_DEVICE float* means() const { return work; }
  [[nodiscard]] TESSERA_HOST_DEVICE float* scales() const { return work + norm.input.columns; }
  [[nodiscard]] TESSERA_HOST_DEVICE float* slice_sums() const { return work + 2 * norm.input.columns; }
  [[nodiscard]] std::int64_t work_size() const { return 2 * norm.input.columns + slices() * groups; }

  /// The sum of one group's slices, in ascending order.
  [[nodiscard]] TESSERA_HOST_DEVICE float total(std::int64_t group) const {
    float sum = slice_sums()[group];
    for (std::int64_t s = 1; s < slices(); ++s) sum = sum + slice_sums()[s * groups + group];
    return sum;
  }
};

}  // namespace tessera
