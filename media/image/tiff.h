#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "media/image/bytes.h"

namespace tessera::media {

/// The first directory of a TIFF file or of EXIF, which has the same form.
class TiffDirectory {
 public:
  /// Empty when there is no such header or its directory lies outside.
  static std::optional<TiffDirectory> open(const std::uint8_t* data, std::size_t size);

  /// The unsigned integers of a tag, at most `limit` of them; empty when it is absent, of another type or outside.
  [[nodiscard]] std::vector<std::uint32_t> values(int tag, std::size_t limit = std::size_t{1} << 24);
  /// The first, or `otherwise`.
  [[nodiscard]] std::uint32_t value(int tag, std::uint32_t otherwise);

 private:
  TiffDirectory(Bytes bytes, std::uint64_t at, int entries) : bytes_(bytes), at_(at), entries_(entries) {}

  Bytes bytes_;
  std::uint64_t at_;
  int entries_;
};

}  // namespace tessera::media
