#pragma once

#include <array>
#include <span>
#include <string>

#include "codec/checkpoint/checkpoint.h"

namespace tessera {

/// How a configuration is known to belong to a family: by its model_type; without one by its architecture, or by keys
/// that only this family's have. Unused ones are null.
struct FamilyMark {
  const char* model_type = nullptr;
  const char* architecture = nullptr;
  std::array<const char*, 2> keys{};
};

/// A family with its loader.
template <class Loader>
struct Family {
  FamilyMark mark;
  Loader load;
};

[[nodiscard]] bool matches(const FamilyMark& mark, const Config& config);
/// Throws CheckpointError that names the families there are.
[[noreturn]] void refuse_family(const Config& config, const std::string& known);

/// The family of a configuration; null when there is none.
template <class Loader, std::size_t kCount>
[[nodiscard]] const Family<Loader>* find_family(const std::array<Family<Loader>, kCount>& families,
                                                const Config& config) {
  for (const Family<Loader>& family : families) {
    if (matches(family.mark, config)) return &family;
  }
  return nullptr;
}

/// Throws CheckpointError when there is none.
template <class Loader, std::size_t kCount>
[[nodiscard]] const Family<Loader>& family_of(const std::array<Family<Loader>, kCount>& families,
                                              const Config& config) {
  if (const Family<Loader>* found = find_family(families, config)) return *found;
  std::string known;
  for (const Family<Loader>& family : families)
    known += (known.empty() ? "" : ", ") + std::string(family.mark.model_type);
  refuse_family(config, known);
}

/// Opens a checkpoint folder, or one .safetensors file, and the config.json in it or beside it.
struct OpenCheckpoint {
  explicit OpenCheckpoint(const std::string& path);  ///< throws CheckpointError
  Checkpoint checkpoint;                             // first: pickled weights often come without a config.json
  Config config;
};

}  // namespace tessera
