#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "codec/codec.h"
#include "codec/image_codec.h"

namespace tessera::cli {

/// How one level's codes were used.
struct LevelUse {
  int codebook = 0;         ///< entries
  std::int64_t ids = 0;     ///< seen
  std::int64_t used = 0;    ///< entries that occur
  double entropy_bits = 0;  ///< of how often each occurs, a code; at most log2(ids) whatever the source
};

/// Counts codes, of one input or of many.
class CodeUse {
 public:
  explicit CodeUse(const AudioCodecInfo& codec);
  explicit CodeUse(const ImageCodecInfo& codec);
  void add(const Codes& codes);
  /// As many levels as the codes had.
  [[nodiscard]] std::vector<LevelUse> levels() const;
  /// How often each entry of a level occurred.
  [[nodiscard]] const std::vector<std::int64_t>& counts(std::size_t level) const { return counts_.at(level); }
  /// What an ideal entropy coder with these frequencies, and no other model, would take: the sum over the levels of
  /// entropy times ids a second, or of pictures ids a pixel. Bits a second, bits a pixel.
  [[nodiscard]] double entropy_rate() const;
  /// The same of codes as they are: log2(codebook) bits each.
  [[nodiscard]] double nominal_rate() const;

 private:
  std::vector<int> codebooks_;
  std::vector<double> rates_;  // ids of each level a second, or a pixel
  std::vector<std::vector<std::int64_t>> counts_;
};

/// An entropy_rate() of sound to a bit a second, in kbit/s; beside it stands kilobits_per_second().
[[nodiscard]] double entropy_kbps(const CodeUse& use);

/// Adds kbps, entropy_kbps and code_use; of pictures bits_per_pixel, entropy_bits_per_pixel and code_use.
void put_json(const CodeUse& use, const AudioCodecInfo& codec, nlohmann::ordered_json& json);
void put_picture_json(const CodeUse& use, nlohmann::ordered_json& json);

}  // namespace tessera::cli
