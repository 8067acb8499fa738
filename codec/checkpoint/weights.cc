#include "codec/checkpoint/weights.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "codec/checkpoint/checkpoint.h"
#include "codec/checkpoint/json.h"
#include "codec/checkpoint/mapped_file.h"
#include "kernels/error.h"

namespace tessera::detail {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t kMaxIndexBytes = 100'000'000;
constexpr int kIndexDepth = 8;
constexpr std::array<std::string_view, 5> kPickled = {".bin", ".pth", ".th", ".ckpt", ".pt"};

[[noreturn]] void refuse(const fs::path& path, const std::string& what) {
  throw CheckpointError(path.string() + ": " + what);
}

/// One word for a POSIX shell.
std::string shell_word(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

bool is_pickled(const fs::path& path) {
  return std::find(kPickled.begin(), kPickled.end(), path.extension().string()) != kPickled.end();
}

/// False when the folder has no readable config.json.
bool has_key(const fs::path& folder, const char* key) try {
  return Config::read(folder).has(key);
} catch (const CheckpointError&) {
  return false;
}

/// The family that files of this kind are published by, as the converter calls it.
const char* converter_family(const fs::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".th") return "encodec";
  if (extension == ".pth" || extension == ".pt") return "dac";
  if (extension == ".ckpt") return "wavtokenizer --yaml CONFIG.yaml";
  const bool snac = has_key(path.parent_path(), "vq_strides");
  return snac ? "snac" : "transformers";
}

[[noreturn]] void refuse_pickled(const fs::path& path) {
  const fs::path input = path.extension() == ".bin" ? path.parent_path() : path;
  fs::path folder = path.parent_path();
  folder += "-safetensors";
  refuse(path, std::string("pickled weights are not read; make a folder of safetensors of them: python3 "
                           "training/convert/convert_codec.py ") +
                   converter_family(path) + " " + shell_word(input.string()) + " --out " + shell_word(folder.string()));
}

/// A name that cannot lead out of its folder.
bool is_plain_name(const std::string& name) {
  return fs::path(name).extension() == ".safetensors" && name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

class Index {
 public:
  explicit Index(fs::path path) : path_(std::move(path)) {}

  [[nodiscard]] Weights read() {
    const MappedFile file(path_, kMaxIndexBytes);
    const json index = parse_json(file.text(), path_.string(), kIndexDepth);
    for (const auto& [tensor, shard] : weight_map(index).items()) {
      if (!shard.is_string())
        refuse(path_, "the shard of " + quote(tensor) + " must be a string, is " + describe(shard));
      weights_.promised.emplace(tensor, position(shard.get_ref<const std::string&>()));
    }
    return std::move(weights_);
  }

 private:
  [[nodiscard]] const json& weight_map(const json& index) const {
    const auto found = index.is_object() ? index.find("weight_map") : index.end();
    if (found == index.end() || !found->is_object()) refuse(path_, "has no \"weight_map\" object");
    return *found;
  }

  /// Of the shard in `files`; a new one is checked and added.
  std::size_t position(const std::string& shard) {
    const auto [known, is_new] = positions_.emplace(shard, weights_.files.size());
    if (is_new) weights_.files.push_back(checked(shard));
    return known->second;
  }

  [[nodiscard]] fs::path checked(const std::string& shard) const {
    if (!is_plain_name(shard)) {
      refuse(path_, "shard " + quote(shard) + " must be the plain name of a .safetensors file in the same folder");
    }
    fs::path file = path_.parent_path() / shard;
    if (!fs::exists(file)) refuse(path_, "shard " + quote(shard) + " is missing from the folder");
    return file;
  }

  fs::path path_;
  Weights weights_;
  std::map<std::string, std::size_t> positions_;
};

/// Files of the folder that `wanted` accepts, by name.
template <typename Wanted>
std::vector<fs::path> list(const fs::path& folder, Wanted wanted) {
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (wanted(entry.path())) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

Weights find_in_folder(const fs::path& folder) {
  const fs::path whole = folder / "model.safetensors";
  if (fs::exists(whole)) return {{whole}, {}};
  const fs::path index = folder / "model.safetensors.index.json";
  if (fs::exists(index)) return Index(index).read();
  auto files = list(folder, [](const fs::path& path) { return path.extension() == ".safetensors"; });
  if (files.size() == 1) return {std::move(files), {}};
  if (!files.empty())
    refuse(folder, "several .safetensors files and no model.safetensors.index.json; name one of them");
  const auto pickled = list(folder, is_pickled);
  if (!pickled.empty()) refuse_pickled(pickled.front());
  refuse(folder, "no model.safetensors and no model.safetensors.index.json in this folder");
}

}  // namespace

Weights find_weights(const fs::path& path) try {
  const fs::file_status status = fs::status(path);
  if (!fs::exists(status)) refuse(path, "no such file or folder");
  if (fs::is_directory(status)) return find_in_folder(path);
  if (is_pickled(path)) refuse_pickled(path);
  return {{path}, {}};
} catch (const fs::filesystem_error& error) {
  refuse(error.path1(), "cannot read: " + error.code().message());
}

}  // namespace tessera::detail
