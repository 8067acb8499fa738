#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace tessera::media {

/// The bytes of one input: a file, or standard input, which may be a pipe.
/// Abstract, so that the FFmpeg module needs no code of this library to read one.
class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;  ///< as messages call it
  [[nodiscard]] virtual std::int64_t size() const = 0;        ///< bytes; -1 for a pipe
  [[nodiscard]] virtual std::int64_t position() const = 0;
  /// Returns fewer than `bytes` only at the end. Throws InputError("unreadable").
  virtual std::size_t read(void* out, std::size_t bytes) = 0;
  /// A pipe goes forward, at most to its end, or back as long as no more than its first MiB was read.
  virtual void seek(std::int64_t position) = 0;

  [[nodiscard]] bool is_pipe() const { return size() < 0; }
};

/// Opens a path, or standard input for "-". Throws InputError: "unreadable", "empty_media".
[[nodiscard]] std::unique_ptr<Source> open_source(const std::string& path);

/// Copies what a pipe brings to an unnamed temporary file, for formats that cannot be read without going back.
/// Throws ResourceError("disk_full").
[[nodiscard]] std::unique_ptr<Source> spool(Source& pipe);

}  // namespace tessera::media
