#include "codec/family.h"

#include <filesystem>
#include <nlohmann/json.hpp>

namespace tessera {
namespace {

std::string type_of(const Config& config) {
  return config.has("model_type") ? config.string("model_type") : std::string();
}

/// In the spelling of transformers, or in that of diffusers.
std::string first_architecture(const Config& config) {
  if (config.has("_class_name")) return config.string("_class_name");
  const auto& keys = config.json();
  const auto found = keys.find("architectures");
  const bool usable = found != keys.end() && found->is_array() && !found->empty() && found->front().is_string();
  return usable ? found->front().get<std::string>() : std::string();
}

const std::string& existing(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) throw CheckpointError(path + ": no such checkpoint");
  return path;
}

}  // namespace

bool matches(const FamilyMark& mark, const Config& config) {
  const std::string type = type_of(config);
  if (!type.empty()) return type == mark.model_type;
  const std::string architecture = first_architecture(config);
  if (!architecture.empty()) return mark.architecture != nullptr && architecture == mark.architecture;
  return mark.keys[0] != nullptr && config.has(mark.keys[0]) && config.has(mark.keys[1]);
}

void refuse_family(const Config& config, const std::string& known) {
  throw CheckpointError(config.name() + ": unsupported family (model_type \"" + type_of(config) +
                        "\"); this build reads " + known);
}

OpenCheckpoint::OpenCheckpoint(const std::string& path) : checkpoint(existing(path)), config(Config::read(path)) {}

}  // namespace tessera
