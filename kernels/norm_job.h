#pragma once

#include <cstdint>

#include "kernels/arithmetic.h"
#include "kernels/picture.h"

namespace tessera {

struct NormJob {
  ConstMatrix input;
  const float* weight;
  const float* bias;
  float epsilon;
  Matrix out;
};

struct GroupMomentsJob {
  ConstPicture x;
  std::int64_t groups;
  float epsilon;
  float* moments;  ///< the mean of each channel, then its scale
  float* sums;     ///< one for each slice and group

  [[nodiscard]] TESSERA_HOST_DEVICE std::int64_t width() const { return x.channels / groups; }
  [[nodiscard]] TESSERA_HOST_DEVICE std::int64_t slices() const { return (x.pixels() + kSlice - 1) / kSlice; }
  [[nodiscard]] TESSERA_HOST_DEVICE float count() const { return static_cast<float>(x.pixels() * width()); }
  [[nodiscard]] TESSERA_HOST_DEVICE float* scales() const { return moments + x.channels; }

  /// The sum of one group's slices, in ascending order.
  [[nodiscard]] TESSERA_HOST_DEVICE float total(std::int64_t group) const {
    float sum = sums[group];
    for (std::int64_t s = 1; s < slices(); ++s) sum = sum + sums[s * groups + group];
    return sum;
  }
};

}  // namespace tessera
