#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace tessera::detail {

/// Parses untrusted JSON: UTF-8, at most `max_depth` nested levels, no key twice in one object.
/// Throws CheckpointError that begins with `name`.
[[nodiscard]] nlohmann::json parse_json(std::string_view text, const std::string& name, int max_depth);

/// Text for a message: in quotes, control characters escaped, cut after about 100 bytes.
[[nodiscard]] std::string quote(std::string_view text);

/// A value for a message: `"abc"`, `12`, `an array of 3`.
[[nodiscard]] std::string describe(const nlohmann::json& value);

}  // namespace tessera::detail
