#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "codec/checkpoint/checkpoint.h"

namespace tessera::test {

/// A folder of its own for one test, removed afterwards.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tessera-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

/// Header length, header, data.
inline std::string safetensors(const std::string& header, std::string_view data = {}) {
  const std::uint64_t size = header.size();
  std::string out(sizeof size, '\0');
  std::memcpy(out.data(), &size, sizeof size);
  return out.append(header).append(data);
}

/// `"name":{"dtype":…,"shape":…,"data_offsets":[begin,end]}`, one member of a header.
inline std::string entry(const std::string& name, const std::string& type, const std::string& shape,
                         std::uint64_t begin, std::uint64_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

/// The bytes of values, as they lie in memory.
template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// A file with one F32 tensor of shape [count] that holds 0, 1, 2, ….
inline std::string counting_file(const std::string& name, std::uint64_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  return safetensors("{" + entry(name, "F32", "[" + std::to_string(count) + "]", 0, 4 * count) + "}", bytes_of(values));
}

/// What the CheckpointError of `action` says; "" when nothing is thrown.
template <typename Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const CheckpointError& error) {
    EXPECT_EQ(error.reason(), "bad_checkpoint");
    return error.what();
  }
  return "";
}

}  // namespace tessera::test
