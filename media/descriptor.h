#pragma once

#include <cstddef>
#include <string>
#include <utility>

namespace tessera::media {

/// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_ = -1;
};

/// Throws ResourceError for errno `error`: "disk_full" (no space, over a quota or a size limit) or "write_failed".
[[noreturn]] void write_failed(const std::string& name, int error);

/// Writes every byte or throws as write_failed() does.
void write_all(int descriptor, const void* data, std::size_t bytes, const std::string& name);

}  // namespace tessera::media
