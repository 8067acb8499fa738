#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace tessera::detail {

/// The files that hold a checkpoint's tensors.
struct Weights {
  std::vector<std::filesystem::path> files;
  /// What the index promises: tensor -> position in `files`. Empty without an index.
  std::map<std::string, std::size_t> promised;
};

/// `path`: one .safetensors file; or a folder with model.safetensors, with model.safetensors.index.json and its
/// shards, or with one other .safetensors file. Throws CheckpointError; pickled weights are refused.
[[nodiscard]] Weights find_weights(const std::filesystem::path& path);

}  // namespace tessera::detail
