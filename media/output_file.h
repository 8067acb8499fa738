#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "media/descriptor.h"

namespace tessera::media {

/// A file that appears under its name only when it is whole: bytes go to `.NAME.tmp-PID` beside it, commit() syncs
/// and renames, the destructor removes what was not committed. "-" is standard output; a device or a named pipe is
/// written directly. Throws ResourceError: "disk_full", "write_failed" or, in commit() without `overwrite`,
/// "output_exists" when there is a file of that name by then, which is left as it is.
class OutputFile {
 public:
  explicit OutputFile(std::string path, bool overwrite = true);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, std::size_t bytes);
  /// Overwrites earlier bytes; only where is_regular().
  void write_at(std::int64_t position, const void* data, std::size_t bytes);
  void commit();

  [[nodiscard]] bool is_regular() const { return !temporary_.empty(); }
  [[nodiscard]] int descriptor() const { return file_.get(); }
  [[nodiscard]] const std::string& name() const { return path_; }

 private:
  std::string path_;
  std::string temporary_;
  bool overwrite_;
  Descriptor file_;
  bool committed_ = false;
};

}  // namespace tessera::media
