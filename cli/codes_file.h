#pragma once

#include <memory>
#include <string>

#include "cli/codes_record.h"

namespace tessera::cli {

/// The records of one file that `tokenize` wrote, in order.
class CodesReader {
 public:
  virtual ~CodesReader() = default;
  /// False at the end. Throws InputError for a bad record; the next call goes on behind it.
  [[nodiscard]] virtual bool next(CodesRecord& record) = 0;
  /// "codes.jsonl, line 3": of the last record.
  [[nodiscard]] virtual std::string where() const = 0;
};

/// JSON lines, .npy or .safetensors, by content; "-" is standard input (JSON lines only).
/// Throws InputError: "unreadable".
[[nodiscard]] std::unique_ptr<CodesReader> open_codes(const std::string& path);

/// NumPy format 1.0: int32, little-endian, [levels, frames]. Rows of unequal length do not fit, nor do chunks and
/// grids: throws InputError("ragged_codes", "segmented_codes", "gridded_codes").
[[nodiscard]] std::string npy_bytes(const CodesRecord& record);
/// Tensor "codes", I32 [levels, frames] ("codes.0", "codes.1", … [frames] each, for rows of unequal length); "chunks",
/// I32 [chunks], and "scales", F32 [chunks], where the codec has them; the record's other fields are the metadata.
[[nodiscard]] std::string safetensors_bytes(const CodesRecord& record);

}  // namespace tessera::cli
