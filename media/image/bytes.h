#pragma once

#include <cstdint>
#include <cstring>

namespace tessera::media {

/// Bytes of a file, read at any place; what lies beyond the end reads as 0, and ok() tells.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size, bool big_endian = false)
      : data_(data), size_(size), big_endian_(big_endian) {}

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool has(std::uint64_t at, std::uint64_t count) const { return at <= size_ && count <= size_ - at; }
  [[nodiscard]] bool begins(std::uint64_t at, const char* text) const {
    const std::size_t length = std::strlen(text);
    return has(at, length) && std::memcmp(data_ + at, text, length) == 0;
  }

  std::uint32_t get(std::uint64_t at, int count) {
    if (!has(at, static_cast<std::uint64_t>(count))) {
      ok_ = false;
      return 0;
    }
    std::uint32_t value = 0;
    for (int i = 0; i < count; ++i)
      value = value << 8 | data_[at + static_cast<std::uint64_t>(big_endian_ ? i : count - 1 - i)];
    return value;
  }
  std::uint32_t u8(std::uint64_t at) { return get(at, 1); }
  std::uint32_t u16(std::uint64_t at) { return get(at, 2); }
  std::uint32_t u24(std::uint64_t at) { return get(at, 3); }
  std::uint32_t u32(std::uint64_t at) { return get(at, 4); }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  bool big_endian_;
  bool ok_ = true;
};

}  // namespace tessera::media
