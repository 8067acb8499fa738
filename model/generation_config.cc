#include "model/generation_config.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "codec/checkpoint/checkpoint.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

std::optional<Config> read_if_there(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return Config::parse(text, path.string());
}

std::vector<std::int32_t> read_stops(const Config& config) {
  if (!config.has("eos_token_id")) return {};
  if (!config.json().at("eos_token_id").is_array()) {
    return {static_cast<std::int32_t>(config.integer("eos_token_id", 0, INT32_MAX))};
  }
  std::vector<std::int32_t> stops;
  for (const std::int64_t id : config.integers("eos_token_id", 0, INT32_MAX)) {
    stops.push_back(static_cast<std::int32_t>(id));
  }
  return stops;
}

SamplerOptions read_sampler(const Config& config) {
  const auto number = [&](const char* key, double otherwise) {
    return config.has(key) ? config.number(key) : otherwise;
  };
  SamplerOptions sampler;
  sampler.temperature = 0;
  sampler.repetition_penalty = number("repetition_penalty", 1);
  if (!config.has("do_sample") || !config.boolean("do_sample")) return sampler;
  sampler.temperature = number("temperature", 1);
  sampler.top_k = config.has("top_k") ? static_cast<int>(config.integer("top_k", 0, INT32_MAX)) : 0;
  sampler.top_p = number("top_p", 1);
  sampler.min_p = number("min_p", 0);
  return sampler;
}

}  // namespace

GenerationConfig read_generation_config(const fs::path& folder) {
  GenerationConfig result;
  result.sampler.temperature = 0;
  if (const auto config = read_if_there(folder / "generation_config.json")) {
    result.stops = read_stops(*config);
    result.sampler = read_sampler(*config);
  }
  if (!result.stops.empty()) return result;
  if (const auto config = read_if_there(folder / "config.json")) result.stops = read_stops(*config);
  return result;
}

}  // namespace tessera
