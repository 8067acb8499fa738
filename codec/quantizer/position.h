#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "codec/checkpoint/checkpoint.h"
#include "kernels/context.h"

namespace tessera {

/// One code for each position of a picture.
class PositionQuantizer {
 public:
  virtual ~PositionQuantizer() = default;
  [[nodiscard]] virtual int size() const = 0;            ///< codes
  [[nodiscard]] virtual std::int64_t width() const = 0;  ///< channels of a position
  /// codes[i] of row i of x [positions, width], on the device. x may be overwritten.
  virtual void encode(Context& context, Matrix x, std::int32_t* codes) const = 0;
  /// Row i of out [positions, width] from codes[i], which are in range.
  virtual void decode(Context& context, const std::int32_t* codes, Matrix out) const = 0;
};

/// How an entry is chosen.
enum class Search : std::uint8_t {
  nearest,  ///< the nearest as stored (VQGAN, Chameleon, Emu3)
  cosine,   ///< the nearest after both sides were brought to length 1, and so it is looked up (LlamaGen, Janus)
  dot,      ///< the largest product (IBQ, Shi et al. 2024, arXiv 2412.02692)
};

/// A codebook NAME.embedding.weight [size, width].
[[nodiscard]] std::unique_ptr<PositionQuantizer> load_codebook_quantizer(Context& context, Checkpoint& checkpoint,
                                                                         const std::string& name, std::int64_t size,
                                                                         std::int64_t width, Search search);

/// FSQ of `levels` digits a channel, and LFQ of `bits` signs (kernels/scalar_codes.h): no tensors. Throw ArgumentError.
[[nodiscard]] std::unique_ptr<PositionQuantizer> make_finite_scalar_quantizer(Context& context,
                                                                              const std::vector<int>& levels);
[[nodiscard]] std::unique_ptr<PositionQuantizer> make_sign_quantizer(Context& context, std::int64_t bits,
                                                                     bool first_is_lowest);

}  // namespace tessera
