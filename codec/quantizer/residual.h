#pragma once

#include <string>
#include <vector>

#include "codec/codec.h"
#include "codec/layers/linear.h"
#include "kernels/search.h"

namespace tessera {

/// Residual vector quantization: each level codes what the levels before left over.
class ResidualQuantizer {
 public:
  /// Codebooks by level, each on the device; projections optional (both or neither).
  ResidualQuantizer(std::vector<Codebook> codebooks, std::vector<LinearLayer> projections);

  [[nodiscard]] int levels() const noexcept { return static_cast<int>(codebooks_.size()); }

  /// Appends the first `levels` rows of codes of x [frames, width of the latent] to `rows`.
  void encode(Context& context, ConstMatrix x, int levels, std::vector<std::vector<std::int32_t>>& rows) const;
  /// The latent of rows [first, first + levels of this quantizer), as many as there are; out += when `add`.
  void decode(Context& context, const Codes& codes, int first, bool add, Matrix out) const;

 private:
  std::vector<Codebook> codebooks_;
  std::vector<LinearLayer> projections_;  // none, or in and out
};

}  // namespace tessera
