#include "codec/checkpoint/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "kernels/error.h"

namespace tessera::detail {
namespace {

using nlohmann::json;

constexpr std::size_t kQuotedBytes = 100;

/// Watches the parser: refuses what is nested too deep, and a key that its object already has.
class Watch {
 public:
  Watch(const std::string& name, int max_depth) : name_(name), max_depth_(max_depth) {}

  void event(int depth, json::parse_event_t event, const json& value) {
    using Event = json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) check_depth(depth);
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key) check_key(value.get_ref<const std::string&>());
  }

 private:
  void check_depth(int depth) const {
    if (depth < max_depth_) return;
    throw CheckpointError(name_ + ": JSON nested deeper than " + std::to_string(max_depth_) + " levels");
  }

  void check_key(const std::string& key) {
    if (keys_.back().insert(key).second) return;
    throw CheckpointError(name_ + ": key " + quote(key) + " appears twice in one object");
  }

  const std::string& name_;
  int max_depth_;
  std::vector<std::set<std::string>> keys_;
};

/// "line 3, column 9" of the byte at which the parser stopped, counted from 1; one past the end for text cut short.
std::string position(std::string_view text, std::size_t byte) {
  byte = std::clamp<std::size_t>(byte, 1, text.size() + 1);
  const std::string_view before = text.substr(0, byte - 1);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t line_start = before.rfind('\n') + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(byte - line_start);
}

[[noreturn]] void refuse_malformed(std::string_view text, std::size_t byte, const std::string& name) {
  throw CheckpointError(name + ": malformed JSON at " + position(text, byte));
}

}  // namespace

json parse_json(std::string_view text, const std::string& name, int max_depth) {
  // The parser takes a NUL for the end and would not look at what follows.
  const std::size_t nul = text.find('\0');
  if (nul != text.npos) refuse_malformed(text, nul + 1, name);
  Watch watch(name, max_depth);
  const auto callback = [&watch](int depth, json::parse_event_t event, const json& value) {
    watch.event(depth, event, value);
    return true;
  };
  try {
    return json::parse(text, callback);
  } catch (const json::parse_error& error) {
    refuse_malformed(text, error.byte, name);
  } catch (const json::exception&) {
    throw CheckpointError(name + ": a number in the JSON is out of range");
  }
}

std::string quote(std::string_view text) {
  std::string cut(text.substr(0, kQuotedBytes));
  if (text.size() > kQuotedBytes) {
    while (!cut.empty() && (static_cast<unsigned char>(cut.back()) & 0xC0U) == 0x80U) cut.pop_back();
    if (!cut.empty()) cut.pop_back();
    cut += "...";
  }
  return json(cut).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string describe(const json& value) {
  if (value.is_string()) return quote(value.get_ref<const std::string&>());
  if (value.is_array()) return "an array of " + std::to_string(value.size());
  if (value.is_object()) return "an object";
  return value.dump();
}

}  // namespace tessera::detail
