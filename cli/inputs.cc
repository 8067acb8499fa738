#include "cli/inputs.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

/// Only for choosing files of a folder: a file that is named is opened by its content.
bool is_media_name(const fs::path& path) {
  constexpr std::array<const char*, 28> known = {".wav", ".wave", ".flac", ".ogg",  ".oga",  ".opus", ".mp3",
                                                 ".mp2", ".m4a",  ".aac",  ".aif",  ".aiff", ".aifc", ".au",
                                                 ".snd", ".caf",  ".w64",  ".rf64", ".wma",  ".wv",   ".mp4",
                                                 ".m4v", ".mov",  ".mkv",  ".mka",  ".webm", ".avi",  ".3gp"};
  std::string extension = path.extension();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return std::find(known.begin(), known.end(), extension) != known.end();
}

bool is_hidden(const fs::path& path) { return path.filename().native().front() == '.'; }

std::vector<std::string> media_under(const fs::path& folder) {
  std::vector<std::string> found;
  fs::recursive_directory_iterator walk(folder, fs::directory_options::skip_permission_denied);
  for (auto at = fs::begin(walk); at != fs::end(walk); ++at) {
    if (is_hidden(at->path())) {
      if (at->is_directory()) at.disable_recursion_pending();
    } else if (at->is_regular_file() && is_media_name(at->path())) {
      found.push_back(at->path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

void add_folder(const std::string& path, bool recursive, std::vector<Input>& out) {
  if (!recursive) {
    out.push_back({path, path + ": a folder: add --recursive to take the media files in it", "unreadable"});
    return;
  }
  try {
    const std::vector<std::string> found = media_under(path);
    for (const std::string& file : found) out.push_back({file, {}, {}});
    if (found.empty()) out.push_back({path, path + ": no media files in this folder", "empty_folder"});
  } catch (const fs::filesystem_error& error) {
    out.push_back({path, path + ": " + error.code().message(), "unreadable"});
  }
}

void add_path(const std::string& path, bool recursive, std::vector<Input>& out) {
  std::error_code ignored;
  if (path != "-" && fs::is_directory(path, ignored)) return add_folder(path, recursive, out);
  out.push_back({path, {}, {}});
}

void add_lines(std::istream& list, bool recursive, std::vector<Input>& out) {
  std::string line;
  while (std::getline(list, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) add_path(line, recursive, out);
  }
}

void add_list(const std::string& path, bool recursive, std::vector<Input>& out) {
  if (path == "-") return add_lines(std::cin, recursive, out);
  std::ifstream list(path);
  std::error_code ignored;
  if (!list || fs::is_directory(path, ignored)) {
    out.push_back({path, path + ": the list of inputs cannot be read", "unreadable"});
    return;
  }
  add_lines(list, recursive, out);
}

}  // namespace

std::vector<Input> expand_inputs(const InputOptions& options) {
  std::vector<Input> inputs;
  for (const std::string& path : options.paths) add_path(path, options.recursive, inputs);
  for (const std::string& list : options.lists) add_list(list, options.recursive, inputs);
  return inputs;
}

}  // namespace tessera::cli
