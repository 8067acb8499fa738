#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "codec/checkpoint/json.h"
#include "kernels/error.h"

namespace tessera::detail {

/// An object of an untrusted JSON file. Every message begins with the file and the way to the value:
/// "tokenizer.json: model.merges[3]: …".
class JsonFields {
 public:
  using Json = nlohmann::json;
  /// `value` must outlive this. Throws CheckpointError when it is no object.
  JsonFields(const Json& value, std::string where) : value_(value), where_(std::move(where)) {
    if (!value.is_object()) refuse("is not an object but " + describe(value));
  }

  /// Null when absent or null.
  [[nodiscard]] const Json* find(const char* key) const {
    const auto found = value_.find(key);
    return found == value_.end() || found->is_null() ? nullptr : &*found;
  }
  [[nodiscard]] const Json& get(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) refuse("has no \"" + std::string(key) + "\"");
    return *value;
  }
  [[nodiscard]] std::string string(const char* key) const {
    const Json& value = get(key);
    if (!value.is_string()) throw CheckpointError(path(key) + " is not a string but " + describe(value));
    return value.get<std::string>();
  }
  [[nodiscard]] std::string string(const char* key, const char* absent) const {
    return find(key) == nullptr ? absent : string(key);
  }
  [[nodiscard]] bool boolean(const char* key, bool absent) const {
    const Json* value = find(key);
    if (value == nullptr) return absent;
    if (!value->is_boolean()) throw CheckpointError(path(key) + " is not true or false but " + describe(*value));
    return value->get<bool>();
  }
  [[nodiscard]] std::int64_t integer(const char* key, std::int64_t least, std::int64_t most) const {
    return checked(get(key), path(key), least, most);
  }
  [[nodiscard]] const Json& array(const char* key) const {
    const Json& value = get(key);
    if (!value.is_array()) throw CheckpointError(path(key) + " is not an array but " + describe(value));
    return value;
  }
  [[nodiscard]] JsonFields object(const char* key) const { return {get(key), path(key)}; }

  /// "FILE: model.vocab"
  [[nodiscard]] std::string path(const std::string& key) const {
    return where_ + (where_.ends_with(": ") ? "" : ".") + key;
  }
  [[nodiscard]] const std::string& where() const noexcept { return where_; }
  [[nodiscard]] const Json& json() const noexcept { return value_; }
  [[noreturn]] void refuse(const std::string& what) const { throw CheckpointError(where_ + " " + what); }

  [[nodiscard]] static std::int64_t checked(const Json& value, const std::string& where, std::int64_t least,
                                            std::int64_t most) {
    const bool whole =
        value.is_number_integer() && (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX);
    if (whole && value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= most)
      return value.get<std::int64_t>();
    throw CheckpointError(where + " is not a whole number from " + std::to_string(least) + " to " +
                          std::to_string(most) + " but " + describe(value));
  }

 private:
  const Json& value_;
  std::string where_;
};

}  // namespace tessera::detail
