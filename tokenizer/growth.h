#pragma once

#include <cstddef>
#include <string>

#include "kernels/error.h"

namespace tessera::detail {

/// How long the steps of a tokenizer.json, which may come from anywhere, may make a text of `bytes` bytes. Each step
/// can double it, so that a file of a few hundred bytes would ask for more memory than there is.
[[nodiscard]] inline std::size_t growth_limit(std::size_t bytes) { return 4096 + 32 * bytes; }

/// Throws InputError("text_growth") when a text of `bytes` bytes is over the limit.
inline void check_growth(std::size_t bytes, std::size_t limit) {
  if (bytes <= limit) return;
  throw InputError("text_growth",
                   "the tokenizer's steps make the text longer than " + std::to_string(limit) + " bytes");
}

}  // namespace tessera::detail
