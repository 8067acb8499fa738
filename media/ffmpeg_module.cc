#include "media/ffmpeg_module.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "kernels/error.h"

namespace tessera::media {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModule = "libtessera_ffmpeg.so";

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

std::vector<fs::path> candidates() {
  std::vector<fs::path> paths;
  if (const char* folder = std::getenv("TESSERA_MODULES")) paths.push_back(fs::path(folder) / kModule);
  for (const fs::path& folder : own_folders()) {
    paths.push_back(folder / kModule);
    paths.push_back(folder / ".." / TESSERA_LIBDIR / "tessera" / kModule);
    paths.push_back(folder / "tessera" / kModule);
  }
  return paths;
}

OpenFfmpeg* load(const std::string& input) {
  std::string reason = "it is not installed";
  for (const fs::path& path : candidates()) {
    std::error_code error;
    if (!fs::exists(path, error)) continue;
    void* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* symbol = module != nullptr ? ::dlsym(module, kOpenFfmpegSymbol) : nullptr;
    if (symbol != nullptr) return reinterpret_cast<OpenFfmpeg*>(symbol);
    if (const char* text = ::dlerror()) reason = text;
  }
  throw InputError("missing_module", input + ": cannot load " + kModule + ", which reads MP3, AAC and videos: " +
                                         reason + ". Set TESSERA_MODULES to its folder");
}

}  // namespace

std::unique_ptr<Decoder> open_ffmpeg(std::unique_ptr<Source> source, const ReadOptions& options) {
  static OpenFfmpeg* const open = load(source->name());
  return std::unique_ptr<Decoder>(open(source, options));
}

}  // namespace tessera::media
