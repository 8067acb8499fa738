#pragma once

#include <cstdint>

#include "kernels/arithmetic.h"
#include "kernels/tensor.h"

namespace tessera {

/// The end of one step: from finished gates to the new cell and output.
struct LstmCellJob {
  ConstMatrix gates;  // [batch, blocks * 64]
  Matrix cell;        // [batch, hidden_size]
  Matrix out;         // [batch, hidden_size]

  /// Where gate `gate` (0…3: i, f, g, o) of unit `unit` stands in a row of gates.
  [[nodiscard]] TESSERA_HOST_DEVICE static std::int64_t column(std::int64_t gate, std::int64_t unit) {
    return unit / 16 * 64 + gate * 16 + unit % 16;
  }
};

}  // namespace tessera
