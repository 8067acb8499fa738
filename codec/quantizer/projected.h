#pragma once

#include <string>
#include <vector>

#include "codec/codec.h"
#include "codec/layers/conv.h"
#include "kernels/search.h"

namespace tessera {

/// Residual quantization in a small space (DAC, SNAC; factorised codes with l2-normalised search, Yu et al. 2021, arXiv
/// 2110.04627): each level projects what is left, takes the entry of the nearest direction, and projects it back. A
/// level with a stride works on the mean of so many frames, and its entry stands for all of them.
class ProjectedQuantizer {
 public:
  struct Shape {
    std::int64_t latent = 0;
    std::int64_t codebook_size = 0;
    std::int64_t codebook_width = 0;
    std::vector<std::int64_t> strides;  ///< one a level
  };
  /// Reads `quantizer.quantizers.K`.in_proj, .out_proj and .codebook.weight.
  ProjectedQuantizer(Context& context, Checkpoint& checkpoint, const Shape& shape);

  [[nodiscard]] int levels() const noexcept { return static_cast<int>(levels_.size()); }
  /// Appends the first `levels` rows of codes of x [frames, latent] to `rows`; frames divide by every stride.
  void encode(Context& context, ConstMatrix x, int levels, std::vector<std::vector<std::int32_t>>& rows) const;
  /// The latent of the rows that there are.
  [[nodiscard]] Tensor decode(Context& context, const Codes& codes) const;

 private:
  struct Level {
    ConvLayer in;
    ConvLayer out;
    Tensor entries;       // as stored
    Codebook directions;  // normalised
    std::int64_t stride;
  };
  [[nodiscard]] static Level load_level(Context& context, Checkpoint& checkpoint, const Shape& shape, int index);
  [[nodiscard]] Tensor nearest(Context& context, const Level& level, ConstMatrix projected) const;
  void subtract(Context& context, const Level& level, ConstMatrix projected, const Tensor& ids, Matrix residual) const;
  void add_projection(Context& context, const Level& level, ConstMatrix entries, const float* sign, Matrix sum) const;

  Shape shape_;
  std::vector<Level> levels_;
  Tensor minus_;  // [latent] of -1
};

}  // namespace tessera
