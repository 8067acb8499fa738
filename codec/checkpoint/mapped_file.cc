#include "codec/checkpoint/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

#include "kernels/error.h"

namespace tessera::detail {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what) {
  throw CheckpointError(path.string() + ": " + what);
}

[[noreturn]] void refuse_errno(const std::filesystem::path& path, const char* action) {
  refuse(path, std::string(action) + ": " + std::generic_category().message(errno));
}

/// Closes on every way out.
struct Descriptor {
  int value;
  explicit Descriptor(int opened) : value(opened) {}
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

std::uint64_t checked_size(const std::filesystem::path& path, int descriptor, std::uint64_t max_bytes) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) refuse_errno(path, "cannot read");
  if (!S_ISREG(status.st_mode)) refuse(path, "not a regular file");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size == 0) refuse(path, "the file is empty");
  if (size > max_bytes) {
    refuse(path, std::to_string(size) + " bytes, more than the " + std::to_string(max_bytes) + " allowed");
  }
  return size;
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path, std::uint64_t max_bytes) {
  // Non-blocking, so that a FIFO is refused rather than waited for.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.value < 0) refuse_errno(path, "cannot open");
  const std::uint64_t size = checked_size(path, file.value, max_bytes);
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (address == MAP_FAILED) refuse_errno(path, "cannot map");
  bytes_ = {static_cast<const std::byte*>(address), size};
}

void MappedFile::release(std::span<const std::byte> part) const noexcept {
  // Of memory that is not mapped from a file the contents would be lost.
  if (bytes_.empty() || part.data() < bytes_.data() || part.size() > bytes_.size() ||
      part.data() - bytes_.data() > static_cast<std::ptrdiff_t>(bytes_.size() - part.size())) {
    return;
  }
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t first = (reinterpret_cast<std::uintptr_t>(part.data()) + page - 1) / page * page;
  const std::uintptr_t last = reinterpret_cast<std::uintptr_t>(part.data() + part.size()) / page * page;
  // Only a hint: what it answers changes nothing.
  if (first < last) (void)::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace tessera::detail
