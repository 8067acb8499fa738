#pragma once

#include <cstdint>
#include <string>

#include "kernels/tensor.h"

namespace tessera {

/// Bytes that this process can still take on `device`. On the CPU the least of what the system has left
/// (/proc/meminfo, MemAvailable), of what the control groups around the process allow (version 1 and 2) and of its
/// limit of address space; on a GPU what it has free. A snapshot: other programs take memory too.
[[nodiscard]] std::int64_t available_bytes(Device device);

/// The part of it that files tell, under another root than "/", for tests. What cannot be read does not limit.
[[nodiscard]] std::int64_t available_bytes_under(const std::string& root);

/// "3.4 GB".
[[nodiscard]] std::string bytes_text(std::int64_t bytes);

}  // namespace tessera
