#pragma once

#include <string>

namespace tessera::media {

/// Of the last part of a path, in lower case, with its dot; empty when it has none.
[[nodiscard]] std::string extension_of(const std::string& path);

}  // namespace tessera::media
