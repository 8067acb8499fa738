#include "media/descriptor.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "kernels/error.h"

namespace tessera::media {

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

void write_failed(const std::string& name, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  throw ResourceError(full ? "disk_full" : "write_failed", name + ": " + std::generic_category().message(error));
}

void write_all(int descriptor, const void* data, std::size_t bytes, const std::string& name) {
  const auto* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor, next, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) write_failed(name, errno);
    next += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

}  // namespace tessera::media
