#pragma once

#include <string>

#include "cli/codes_record.h"

namespace tessera::cli {

/// The inverses of npy_bytes() and safetensors_bytes(), of files that anybody may have written (NumPy arrays of
/// int16, uint16, int32 or int64, [levels, frames], C order). Throw InputError("bad_codes" or "unreadable").
[[nodiscard]] CodesRecord read_npy(const std::string& path);
[[nodiscard]] CodesRecord read_safetensors(const std::string& path);

}  // namespace tessera::cli
