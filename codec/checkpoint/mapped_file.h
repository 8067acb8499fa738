#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace tessera::detail {

/// A regular file mapped read-only. The file must not be shortened while it is mapped.
class MappedFile {
 public:
  MappedFile() = default;
  /// Throws CheckpointError: missing, unreadable, not a regular file, empty, more than `max_bytes`.
  explicit MappedFile(const std::filesystem::path& path, std::uint64_t max_bytes = UINT64_MAX);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  /// Gives back the memory of the pages that lie whole within `part`, if it is of this file: they are read again when
  /// they are touched.
  void release(std::span<const std::byte> part) const noexcept;

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace tessera::detail
