#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "media/output_file.h"

namespace tessera::cli {

/// True for what -o means as a folder: an existing one, or a name that ends in '/'.
[[nodiscard]] bool is_folder_path(const std::string& path);
void make_folder(const std::string& path);

/// Throws ResourceError("output_exists") when `path` is a file and --overwrite was not given. Devices and pipes
/// are no files: writing to them destroys nothing.
void refuse_existing(const std::string& path, bool overwrite);

/// Names files of one folder after inputs: "sub/a.wav" becomes FOLDER/a.EXT; the second "a" becomes a-2.
class OutputNames {
 public:
  OutputNames(std::string folder, std::string extension)
      : folder_(std::move(folder)), extension_(std::move(extension)) {}
  [[nodiscard]] std::string name_for(const std::string& input);

 private:
  std::string folder_;
  std::string extension_;
  std::set<std::string> used_;
  std::map<std::string, int> copies_;  // of a stem, so far
};

/// Lines to standard output at once, or to a file that appears when it is whole.
class LineOutput {
 public:
  /// `path` "" or "-": standard output.
  LineOutput(const std::string& path, bool overwrite);
  void write(const std::string& line);
  void finish();

 private:
  std::unique_ptr<media::OutputFile> file_;
};

/// The whole of a file, atomically.
void write_file(const std::string& path, const std::string& bytes, bool overwrite);

}  // namespace tessera::cli
