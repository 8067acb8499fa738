#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "codec/codec.h"

namespace tessera::cli {

/// How one level's codes were used.
struct LevelUse {
  int codebook = 0;         ///< entries
  std::int64_t ids = 0;     ///< seen
  std::int64_t used = 0;    ///< entries that occur
  double entropy_bits = 0;  ///< of how often each occurs, a code; at most log2(ids) whatever the source
  double ids_a_second = 0;
};

/// Counts codes, of one clip or of many.
class CodeUse {
 public:
  explicit CodeUse(const AudioCodecInfo& codec) : codec_(&codec) {}
  void add(const Codes& codes);
  /// As many levels as the codes had.
  [[nodiscard]] std::vector<LevelUse> levels() const;
  /// The bit rate that an ideal entropy coder with these frequencies, and no other model, would reach, to a bit a
  /// second: the sum of ids a second * entropy. Beside it stands kilobits_per_second().
  [[nodiscard]] double entropy_kbps() const;

 private:
  const AudioCodecInfo* codec_;
  std::vector<std::vector<std::int64_t>> counts_;
};

/// Adds kbps, entropy_kbps and code_use.
void put_json(const CodeUse& use, const AudioCodecInfo& codec, nlohmann::ordered_json& json);

}  // namespace tessera::cli
