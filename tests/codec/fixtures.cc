#include "tests/codec/fixtures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <ostream>

#include "kernels/cuda/runtime.h"

namespace tessera::fixtures {
namespace {

// A reference rounds differently: another code is right only where the two best entries were this close.
constexpr float kNearTie = 1e-4F;

const StoredTensor& tensor(const SafetensorsFile& file, const std::string& name) {
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end()) throw CheckpointError("fixture has no " + name);
  return found->second;
}

}  // namespace

bool has(const SafetensorsFile& file, const std::string& name) { return file.tensors().count(name) != 0; }

std::vector<float> floats(const SafetensorsFile& file, const std::string& name) {
  const StoredTensor& t = tensor(file, name);
  std::vector<float> values(t.bytes / sizeof(float));
  std::memcpy(values.data(), t.data, t.bytes);
  return values;
}

namespace {

template <class T>
std::vector<std::vector<T>> rows_of(const SafetensorsFile& file, const std::string& name) {
  std::vector<std::vector<T>> rows;
  const auto append = [&](const StoredTensor& t, std::size_t count) {
    const std::size_t length = t.bytes / sizeof(T) / std::max<std::size_t>(count, 1);
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(rows.emplace_back(length).data(), t.data + i * length * sizeof(T), length * sizeof(T));
    }
  };
  if (has(file, name)) append(tensor(file, name), static_cast<std::size_t>(tensor(file, name).shape.at(0)));
  while (has(file, name + ".row" + std::to_string(rows.size()))) {
    append(tensor(file, name + ".row" + std::to_string(rows.size())), 1);
  }
  if (rows.empty()) throw CheckpointError("fixture has no " + name);
  return rows;
}

}  // namespace

std::vector<std::vector<float>> float_rows(const SafetensorsFile& file, const std::string& name) {
  return rows_of<float>(file, name);
}

Codes codes(const SafetensorsFile& file, const std::string& suffix) {
  Codes all;
  all.rows = rows_of<std::int32_t>(file, "codes" + suffix);
  const std::string input = suffix.substr(0, suffix.find('.', 1));
  if (has(file, "scales" + input)) all.scales = floats(file, "scales" + input);
  if (!has(file, "chunks" + input)) return all;
  for (const std::vector<std::int32_t>& one : rows_of<std::int32_t>(file, "chunks" + input)) {
    all.chunks.insert(all.chunks.end(), one.begin(), one.end());
  }
  return all;
}

namespace {

std::vector<Case> cases_of(std::initializer_list<const char*> families) {
  std::vector<Case> found;
  for (const char* family : families) {
    const std::filesystem::path root = std::filesystem::path(TESSERA_SOURCE_DIR) / "tests/golden" / family;
    if (!std::filesystem::is_directory(root)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
      if (!std::filesystem::exists(entry.path() / "expected.safetensors")) continue;
      found.push_back({entry.path().string(), std::string(family) + "_" + entry.path().filename().string()});
    }
  }
  std::sort(found.begin(), found.end(), [](const Case& a, const Case& b) { return a.name < b.name; });
  return found;
}

}  // namespace

std::vector<Case> cases() { return cases_of({"dac", "encodec", "mimi", "mimo", "snac", "wavtokenizer"}); }
std::vector<Case> image_cases() {
  return cases_of({"chameleon", "cosmos", "emu3", "ibq", "janus", "llamagen", "magvitv2", "taming"});
}

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

std::vector<Expected> expectations(const Case& c) {
  const SafetensorsFile file(std::filesystem::path(c.folder) / "expected.safetensors");
  std::vector<Expected> all;
  for (int i = 0; has(file, "wave." + std::to_string(i)); ++i) {
    const std::string n = "." + std::to_string(i);
    all.push_back(
        {floats(file, "wave" + n), codes(file, n), rows_of<float>(file, "margin" + n), floats(file, "decoded" + n)});
  }
  return all;
}

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const Isa isa : supported_isas()) {
    all.push_back({name_of(isa), {Device{}, 1, isa}});
    all.push_back({std::string(name_of(isa)) + " x3", {Device{}, 3, isa}});
  }
  if (cuda::device_memory != nullptr) all.push_back({"cuda", {Device{Device::Kind::cuda, 0}, 1, {}}});
  return all;
}

// A near tie changes what later levels of the same frame see, and through the residual only those.
int count_mismatches(const Expected& expected, const Codes& got, const std::string& where) {
  int near_ties = 0;
  const std::vector<std::vector<std::int32_t>>& rows = expected.codes.rows;
  for (std::size_t frame = 0; frame < rows.front().size(); ++frame) {
    bool differs = false;
    for (std::size_t level = 0; level < rows.size() && !differs; ++level) {
      const std::size_t ids = rows[level].size() / rows.front().size();
      for (std::size_t t = frame * ids; t < (frame + 1) * ids; ++t) {
        if (got.rows.at(level).at(t) == rows[level][t]) continue;
        const float margin = expected.margins.at(level).at(t);
        std::printf("%s: level %zu frame %zu: %d, reference %d, margin %.3g\n", where.c_str(), level, t,
                    got.rows[level][t], rows[level][t], static_cast<double>(margin));
        EXPECT_LT(margin, kNearTie) << where;
        differs = true;
      }
    }
    near_ties += differs ? 1 : 0;
  }
  return near_ties;
}

double signal_to_noise(const std::vector<float>& expected, const std::vector<float>& got) {
  double signal = 0;
  double noise = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double error = static_cast<double>(got[i]) - expected[i];
    signal += static_cast<double>(expected[i]) * expected[i];
    noise += error * error;
  }
  return noise == 0 ? 999.0 : 10 * std::log10(signal / noise);
}

}  // namespace tessera::fixtures
