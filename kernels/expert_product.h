#pragma once

#include <cstdint>
#include <vector>

#include "kernels/product.h"

namespace tessera {

/// The same layer of several experts: weights of one shape, stored alike. They must stay where they are.
class ExpertWeights {
 public:
  /// Throws ArgumentError when there are none, or they are not alike.
  ExpertWeights(Context& context, std::vector<const PackedWeights*> experts);
  [[nodiscard]] static bool alike(const std::vector<const PackedWeights*>& experts);

  [[nodiscard]] const std::vector<const PackedWeights*>& experts() const noexcept { return experts_; }
  /// Where panels lie, [experts] pointers on the device; null on a CPU.
  [[nodiscard]] const std::byte* const* table() const noexcept;

 private:
  std::vector<const PackedWeights*> experts_;
  Tensor table_;
};

/// out[s] = x[s / share] times the weights of expert ids[s], as product() gives it; `ids` is [out.rows] on the device,
/// so that nobody waits for it. Rows whose id is none of the experts' stay as they are. x is [out.rows / share,
/// inputs], `out` does not overlap it. For few rows: each reads its expert's weights for itself. Throws ArgumentError
/// when shapes disagree.
void expert_product(Context& context, ConstMatrix x, std::int64_t share, const ExpertWeights& weights,
                    const std::int32_t* ids, Matrix out);

/// The same with experts that give back what they get: out[s] = x[s / share] where ids[s] >= first; other rows stay.
void expert_identity(Context& context, ConstMatrix x, std::int64_t share, std::int32_t first, const std::int32_t* ids,
                     Matrix out);

}  // namespace tessera
