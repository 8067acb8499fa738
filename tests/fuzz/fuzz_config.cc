// Any text is either refused with a CheckpointError or gives values of the type and range asked for.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "codec/checkpoint/checkpoint.h"

namespace {

using tessera::Config;

constexpr std::int64_t kLeast = -3;
constexpr std::int64_t kMost = 65536;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

/// False when `action` throws a CheckpointError.
template <typename Action>
bool succeeds(Action action) try {
  action();
  return true;
} catch (const tessera::CheckpointError& error) {
  // A message goes into a line of JSON: dump() throws when it is not UTF-8.
  require(nlohmann::json(error.what()).dump().starts_with("\"x: "));
  return false;
}

void require_range(std::int64_t value) { require(value >= kLeast && value <= kMost); }

/// A value has at most one of the types, but a whole number is an integer and a number.
void ask(const Config& config, const std::string& key) {
  const bool integer = succeeds([&] { require_range(config.integer(key, kLeast, kMost)); });
  const bool number = succeeds([&] { require(config.number(key) == config.number(key)); });
  const bool boolean = succeeds([&] { (void)config.boolean(key); });
  const bool string = succeeds([&] { (void)config.string(key); });
  const bool list = succeeds([&] {
    for (const std::int64_t value : config.integers(key, kLeast, kMost)) require_range(value);
  });
  require(number || !integer);
  require(number + boolean + string + list <= 1);
  require(config.has(key) || !(number || boolean || string || list));
}

void check(std::string_view text) {
  const Config config = Config::parse(text, "x");
  require(text.find('\0') == text.npos);
  for (const auto& [key, value] : config.json().items()) {
    ask(config, key);
    if (!value.is_object()) continue;
    for (const auto& inner : value.items()) ask(config, key + "." + inner.key());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  succeeds([&] { check({reinterpret_cast<const char*>(data), size}); });
  return 0;
}
