#include "cli/output.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "cli/terminal.h"
#include "kernels/error.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestStem = 200;  // bytes; file systems end names at 255

/// An input's name comes from outside: only its last part, and nothing a path could be made of.
std::string safe_stem(const std::string& input) {
  std::string stem = input == "-" ? "stdin" : fs::path(input).stem().string();
  std::replace(stem.begin(), stem.end(), '\0', '_');
  stem.resize(std::min(stem.size(), kLongestStem));
  return stem.empty() || stem == "." || stem == ".." ? "output" : stem;
}

}  // namespace

bool is_folder_path(const std::string& path) {
  std::error_code ignored;
  return !path.empty() && (path.back() == '/' || fs::is_directory(path, ignored));
}

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!fs::is_directory(path)) throw ResourceError("write_failed", path + ": cannot be made: " + error.message());
}

void refuse_existing(const std::string& path, bool overwrite) {
  std::error_code ignored;
  if (overwrite || path.empty() || path == "-") return;
  const bool dangling = fs::is_symlink(path, ignored) && !fs::exists(path, ignored);
  if (!dangling && !fs::is_regular_file(path, ignored)) return;
  throw ResourceError("output_exists", path + ": exists already: add --overwrite to replace it");
}

std::string OutputNames::name_for(const std::string& input) {
  const std::string stem = safe_stem(input);
  int& copy = copies_[stem];
  std::string name;
  do {
    ++copy;
    name = stem + (copy == 1 ? "" : "-" + std::to_string(copy)) + extension_;
  } while (!used_.insert(name).second);
  return fs::path(folder_) / name;
}

LineOutput::LineOutput(const std::string& path, bool overwrite) {
  if (!path.empty() && path != "-") file_ = std::make_unique<media::OutputFile>(path, overwrite);
}

void LineOutput::write(const std::string& line) { file_ ? file_->write(line.data(), line.size()) : print(line); }

void LineOutput::finish() {
  if (file_) file_->commit();
}

void write_file(const std::string& path, const std::string& bytes, bool overwrite) {
  media::OutputFile file(path, overwrite);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

}  // namespace tessera::cli
