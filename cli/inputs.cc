#include "cli/inputs.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <span>

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

bool is_one_of(std::span<const char* const> known, const fs::path& path) {
  std::string extension = path.extension();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return std::find(known.begin(), known.end(), extension) != known.end();
}

/// Only for choosing files of a folder: a file that is named is opened by its content.
bool is_sound_name(const fs::path& path) {
  constexpr std::array<const char*, 28> known = {".wav", ".wave", ".flac", ".ogg",  ".oga",  ".opus", ".mp3",
                                                 ".mp2", ".m4a",  ".aac",  ".aif",  ".aiff", ".aifc", ".au",
                                                 ".snd", ".caf",  ".w64",  ".rf64", ".wma",  ".wv",   ".mp4",
                                                 ".m4v", ".mov",  ".mkv",  ".mka",  ".webm", ".avi",  ".3gp"};
  return is_one_of(known, path);
}

bool is_picture_name(const fs::path& path) {
  constexpr std::array<const char*, 8> known = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"};
  return is_one_of(known, path);
}

bool is_hidden(const fs::path& path) { return path.filename().native().front() == '.'; }

std::vector<std::string> media_under(const fs::path& folder, const InputOptions& options) {
  const auto wanted = [&](const fs::path& path) {
    return (options.sounds && is_sound_name(path)) || (options.pictures && is_picture_name(path)) ||
           (options.texts && path.extension() == ".txt");
  };
  std::vector<std::string> found;
  fs::recursive_directory_iterator walk(folder, fs::directory_options::skip_permission_denied);
  for (auto at = fs::begin(walk); at != fs::end(walk); ++at) {
    if (is_hidden(at->path())) {
      if (at->is_directory()) at.disable_recursion_pending();
    } else if (at->is_regular_file() && wanted(at->path())) {
      found.push_back(at->path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

void add_folder(const std::string& path, const InputOptions& options, std::vector<Input>& out) {
  if (!options.recursive) {
    out.push_back({path, path + ": a folder: add --recursive to take the media files in it", "unreadable", false});
    return;
  }
  try {
    const std::vector<std::string> found = media_under(path, options);
    for (const std::string& file : found) out.push_back({file, {}, {}, false});
    if (found.empty()) out.push_back({path, path + ": no media files in this folder", "empty_folder", false});
  } catch (const fs::filesystem_error& error) {
    out.push_back({path, path + ": " + error.code().message(), "unreadable", false});
  }
}

void add_path(const std::string& path, const InputOptions& options, std::vector<Input>& out) {
  std::error_code ignored;
  if (path != "-" && fs::is_directory(path, ignored)) return add_folder(path, options, out);
  out.push_back({path, {}, {}, false});
}

void add_lines(std::istream& list, const InputOptions& options, std::vector<Input>& out) {
  std::string line;
  while (std::getline(list, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) add_path(line, options, out);
  }
}

void add_list(const std::string& path, const InputOptions& options, std::vector<Input>& out) {
  if (path == "-") return add_lines(std::cin, options, out);
  std::ifstream list(path);
  std::error_code ignored;
  if (!list || fs::is_directory(path, ignored)) {
    out.push_back({path, path + ": the list of inputs cannot be read", "unreadable", false});
    return;
  }
  add_lines(list, options, out);
}

}  // namespace

std::vector<Input> expand_inputs(const InputOptions& options) {
  std::vector<Input> inputs;
  for (const std::string& path : options.paths) add_path(path, options, inputs);
  for (const std::string& list : options.lists) add_list(list, options, inputs);
  return inputs;
}

}  // namespace tessera::cli
