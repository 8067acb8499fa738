#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "codec/codec.h"

namespace tessera::cli {

/// What exact and fast math make of one input.
struct Agreement {
  Codes exact_codes;
  Codes fast_codes;
  std::vector<float> exact_samples;  ///< decoded of the exact codes by both; pixels of a picture; empty: not decoded
  std::vector<float> fast_samples;
};

/// {"bench":"agreement NAME","bf16":UNIT,"equal_codes":[share of each level],"decode_snr_db":…}; `fast` is the context
/// of the fast ones. Without the last key nothing was decoded, or nothing differs.
[[nodiscard]] nlohmann::ordered_json describe_agreement(const std::string& name, const Context& fast,
                                                        const Agreement& of);

}  // namespace tessera::cli
