#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "codec/checkpoint/checkpoint.h"
#include "kernels/context.h"

namespace tessera {

using Ids = std::vector<std::int32_t>;

/// A folder of tests/golden with a checkpoint and expected.safetensors.
struct Case {
  std::filesystem::path folder;
};

// What a float32 program may be off; the reference's own float32 run is off by a tenth of it.
inline constexpr double kTolerance = 2e-4;

inline void PrintTo(const Case& c, std::ostream* out) { *out << c.folder.filename().string(); }

inline std::string case_name(const testing::TestParamInfo<Case>& info) { return info.param.folder.filename().string(); }

/// All folders of tests/golden/`name`.
inline std::vector<Case> cases_of(const std::string& name) {
  std::vector<Case> all;
  for (const auto& entry : std::filesystem::directory_iterator(TESSERA_SOURCE_DIR "/tests/golden/" + name)) {
    all.push_back({entry.path()});
  }
  std::sort(all.begin(), all.end(), [](const Case& a, const Case& b) { return a.folder < b.folder; });
  return all;
}

class Golden {
 public:
  explicit Golden(const Case& c) : file_(c.folder / "expected.safetensors") {}
  [[nodiscard]] bool has(const std::string& name) const { return file_.tensors().count(name) != 0; }
  template <class T>
  [[nodiscard]] std::vector<T> values(const std::string& name) const {
    const StoredTensor& tensor = file_.tensors().at(name);
    std::vector<T> out(tensor.bytes / sizeof(T));
    if (!out.empty()) std::memcpy(out.data(), tensor.data, tensor.bytes);
    return out;
  }
  [[nodiscard]] std::vector<Ids> prompts() const {
    std::vector<Ids> all;
    while (has("ids." + std::to_string(all.size()))) {
      all.push_back(values<std::int32_t>("ids." + std::to_string(all.size())));
    }
    return all;
  }

 private:
  SafetensorsFile file_;
};

inline std::vector<float> host(Context& context, const Tensor& tensor) {
  std::vector<float> out(static_cast<std::size_t>(tensor.size()));
  context.download(tensor.bytes(), out.data(), out.size() * sizeof(float));
  return out;
}

inline std::vector<double> log_probabilities(const float* logits, std::int64_t count) {
  const double most = *std::max_element(logits, logits + count);
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += std::exp(logits[i] - most);
  std::vector<double> out;
  for (std::int64_t i = 0; i < count; ++i) out.push_back(logits[i] - most - std::log(sum));
  return out;
}

}  // namespace tessera
