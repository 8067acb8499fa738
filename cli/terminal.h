#pragma once

#include <string>

namespace tessera::cli {

/// Standard output was closed by its reader (`| head`): not worth a message.
class ClosedPipe {};

/// Payload, to standard output, at once. Throws ClosedPipe, Interrupted, ResourceError.
void print(const std::string& text);
/// True when standard output is a pipe that nobody reads any more.
[[nodiscard]] bool is_output_closed() noexcept;

/// To standard error as it is.
void say(const std::string& text) noexcept;
/// "tessera: MESSAGE" on one line of standard error; control characters of a file's name are escaped.
void complain(const std::string& message) noexcept;

}  // namespace tessera::cli
