#include "media/module.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "kernels/error.h"

namespace tessera::media {
namespace {

namespace fs = std::filesystem;

/// The folder of the library this code was linked into, and that of the program.
std::vector<fs::path> own_folders() {
  std::vector<fs::path> folders;
  std::error_code error;
  Dl_info place{};
  if (::dladdr(reinterpret_cast<const void*>(&own_folders), &place) != 0 && place.dli_fname != nullptr) {
    const fs::path library = fs::canonical(place.dli_fname, error);
    if (!error) folders.push_back(library.parent_path());
  }
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) folders.push_back(program.parent_path());
  return folders;
}

std::vector<fs::path> candidates(const char* module) {
  std::vector<fs::path> paths;
  if (const char* folder = std::getenv("TESSERA_MODULES")) paths.push_back(fs::path(folder) / module);
  for (const fs::path& folder : own_folders()) {
    paths.push_back(folder / module);
    paths.push_back(folder / ".." / TESSERA_LIBDIR / "tessera" / module);
    paths.push_back(folder / "tessera" / module);
  }
  return paths;
}

}  // namespace

void* load_symbol(const char* module, const char* symbol, const char* purpose, const std::string& file) {
  std::string reason = "it is not installed";
  for (const fs::path& path : candidates(module)) {
    std::error_code error;
    if (!fs::exists(path, error)) continue;
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* found = library != nullptr ? ::dlsym(library, symbol) : nullptr;
    if (found != nullptr) return found;
    if (const char* text = ::dlerror()) reason = text;
  }
  throw InputError("missing_module", file + ": cannot load " + module + ", which " + purpose + ": " + reason +
                                         ". Set TESSERA_MODULES to its folder");
}

}  // namespace tessera::media
