#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "codec/checkpoint/checkpoint.h"
#include "codec/checkpoint/json.h"
#include "codec/checkpoint/mapped_file.h"

namespace tessera {
namespace {

using detail::describe;
using detail::quote;
using nlohmann::json;

constexpr std::uint64_t kMaxBytes = 16ULL << 20;
constexpr int kMaxDepth = 64;
/// Beyond this a double no longer tells neighbouring integers apart.
constexpr double kMaxExact = 0x1p53;

/// The member of `value`; null when there is none.
const json* member(const json& value, std::string_view key) {
  const auto found = value.find(key);
  return found == value.end() ? nullptr : &*found;
}

/// The value at a path of keys joined by dots; null when there is none.
const json* descend(const json& root, std::string_view path) {
  const json* value = &root;
  while (value != nullptr) {
    const std::size_t dot = path.find('.');
    value = member(*value, path.substr(0, dot));
    if (dot == path.npos) break;
    path.remove_prefix(dot + 1);
  }
  return value;
}

/// Some writers store 24000 as 24000.0.
std::optional<std::int64_t> as_integer(const json& value) {
  if (value.is_number_float()) {
    const auto number = value.get<double>();
    if (std::abs(number) > kMaxExact || number != std::trunc(number)) return std::nullopt;
    return static_cast<std::int64_t>(number);
  }
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) return std::nullopt;
  return value.get<std::int64_t>();
}

[[noreturn]] void refuse(const std::string& name, std::string_view key, const std::string& must, const json& value) {
  throw CheckpointError(name + ": " + quote(key) + " must be " + must + ", is " + describe(value));
}

std::int64_t checked_integer(const std::string& name, std::string_view key, const json& value, std::int64_t least,
                             std::int64_t most) {
  const std::optional<std::int64_t> number = as_integer(value);
  if (number && *number >= least && *number <= most) return *number;
  refuse(name, key, "an integer from " + std::to_string(least) + " to " + std::to_string(most), value);
}

std::filesystem::path beside(const std::filesystem::path& path) {
  std::error_code ignored;
  const bool is_file = std::filesystem::is_regular_file(path, ignored);
  return (is_file ? path.parent_path() : path) / "config.json";
}

}  // namespace

Config::Config(std::unique_ptr<nlohmann::json> value, std::string name)
    : json_(std::move(value)), name_(std::move(name)) {}
Config::~Config() = default;
Config::Config(Config&&) noexcept = default;
Config& Config::operator=(Config&&) noexcept = default;

Config Config::read(const std::filesystem::path& folder) {
  const std::filesystem::path path = beside(folder);
  const detail::MappedFile file(path, kMaxBytes);
  return parse(file.text(), path.string());
}

Config Config::parse(std::string_view text, std::string name) {
  if (text.size() > kMaxBytes) throw CheckpointError(name + ": more than " + std::to_string(kMaxBytes) + " bytes");
  auto value = std::make_unique<nlohmann::json>(detail::parse_json(text, name, kMaxDepth));
  if (!value->is_object()) throw CheckpointError(name + ": must be an object, is " + describe(*value));
  return Config(std::move(value), std::move(name));
}

const nlohmann::json& Config::find(std::string_view key) const {
  const nlohmann::json* const value = descend(*json_, key);
  if (value == nullptr) throw CheckpointError(name_ + ": " + quote(key) + " is missing");
  return *value;
}

bool Config::has(std::string_view key) const {
  const nlohmann::json* const value = descend(*json_, key);
  return value != nullptr && !value->is_null();
}

std::int64_t Config::integer(std::string_view key, std::int64_t least, std::int64_t most) const {
  return checked_integer(name_, key, find(key), least, most);
}

double Config::number(std::string_view key) const {
  const nlohmann::json& value = find(key);
  if (!value.is_number()) refuse(name_, key, "a number", value);
  return value.get<double>();
}

bool Config::boolean(std::string_view key) const {
  const nlohmann::json& value = find(key);
  if (!value.is_boolean()) refuse(name_, key, "true or false", value);
  return value.get<bool>();
}

std::string Config::string(std::string_view key) const {
  const nlohmann::json& value = find(key);
  if (!value.is_string()) refuse(name_, key, "a string", value);
  return value.get<std::string>();
}

std::vector<std::string> Config::strings(std::string_view key) const {
  const nlohmann::json& list = find(key);
  if (!list.is_array()) refuse(name_, key, "an array of strings", list);
  std::vector<std::string> out;
  for (const nlohmann::json& item : list) {
    const std::string place = std::string(key) + "[" + std::to_string(out.size()) + "]";
    if (!item.is_string()) refuse(name_, place, "a string", item);
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::vector<std::int64_t> Config::integers(std::string_view key, std::int64_t least, std::int64_t most) const {
  const nlohmann::json& list = find(key);
  if (!list.is_array()) refuse(name_, key, "an array of integers", list);
  std::vector<std::int64_t> out;
  for (const nlohmann::json& item : list) {
    const std::string place = std::string(key) + "[" + std::to_string(out.size()) + "]";
    out.push_back(checked_integer(name_, place, item, least, most));
  }
  return out;
}

const std::string& Config::name() const noexcept { return name_; }
const nlohmann::json& Config::json() const noexcept { return *json_; }

void Config::require(bool holds, const std::string& what) const {
  if (!holds) throw CheckpointError(name_ + ": " + what);
}

}  // namespace tessera
