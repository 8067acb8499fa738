#include "tests/kernels/fixtures.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "codec/checkpoint/checkpoint.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

const std::string kFolder = TESSERA_SOURCE_DIR "/tests/golden/kernels/";

const nlohmann::json& entries() {
  static const nlohmann::json all = nlohmann::json::parse(std::ifstream(kFolder + "kernels.json")).at("entries");
  return all;
}

const std::map<std::string, StoredTensor, std::less<>>& tensors() {
  static const SafetensorsFile file(kFolder + "kernels.safetensors");
  return file.tensors();
}

template <class T>
std::vector<T> values_of(const std::string& name, StoredTensor::Type type) {
  const StoredTensor& stored = tensors().at(name);
  if (stored.type != type) throw std::runtime_error(name + " is stored as " + name_of(stored.type));
  std::vector<T> values(stored.bytes / sizeof(T));
  std::memcpy(values.data(), stored.data, stored.bytes);
  return values;
}

// The largest difference, relative to the largest expected magnitude; infinity for another length or a NaN.
double error_of(const std::vector<float>& expected, const std::vector<float>& got) {
  if (expected.size() != got.size()) return INFINITY;
  double scale = 1e-30;
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(got[i]) - static_cast<double>(expected[i]));
    scale = std::max(scale, std::fabs(static_cast<double>(expected[i])));
    worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
  }
  return worst / scale;
}

}  // namespace

bool GoldenCase::has(const std::string& role) const { return tensors().contains(name + "." + role); }

const Shape& GoldenCase::shape(const std::string& role) const { return tensors().at(name + "." + role).shape; }

std::vector<float> GoldenCase::floats(const std::string& role) const {
  return values_of<float>(name + "." + role, StoredTensor::Type::f32);
}

std::vector<std::int32_t> GoldenCase::ints(const std::string& role) const {
  return values_of<std::int32_t>(name + "." + role, StoredTensor::Type::i32);
}

std::vector<float> GoldenCase::clip(const std::string& role, std::int64_t i) const {
  const Shape& s = shape(role);
  const std::vector<float> all = floats(role);
  std::vector<float> clip;
  for (std::int64_t t = 0; t < s.at(2); ++t) {
    for (std::int64_t c = 0; c < s[1]; ++c) clip.push_back(all[(i * s[1] + c) * s[2] + t]);
  }
  return clip;
}

std::vector<GoldenCase> golden_cases(const std::string& operation) {
  std::vector<GoldenCase> cases;
  for (const nlohmann::json& entry : entries()) {
    if (entry.at("operation") == operation) cases.push_back({entry.at("name"), entry.at("parameters")});
  }
  if (cases.empty()) throw std::runtime_error("no golden values of " + operation);
  return cases;
}

void expect_near(const std::string& name, const std::vector<float>& expected, double tolerance,
                 const std::function<std::vector<float>(Context&)>& compute) {
  double worst = 0;
  for (const Backend& backend : backends()) {
    Context context(backend.options);
    const double error = error_of(expected, compute(context));
    EXPECT_LE(error, tolerance) << name << " on " << backend.name;
    worst = std::max(worst, error);
  }
  if (benchmarking()) std::printf("%-44s error %.1e, allowed %.1e\n", name.c_str(), worst, tolerance);
}

Tensor on_device(Context& context, const std::vector<float>& values, Shape shape) {
  Tensor tensor = context.allocate(std::move(shape));
  if (tensor.size() != static_cast<std::int64_t>(values.size()))
    throw std::runtime_error("values do not fill the shape");
  context.upload(values.data(), tensor.bytes(), values.size() * sizeof(float));
  return tensor;
}

std::vector<float> on_host(Context& context, const Tensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.size()));
  context.download(tensor.bytes(), values.data(), values.size() * sizeof(float));
  return values;
}

double from_decibels(double decibels) { return std::pow(10.0, -decibels / 20); }

}  // namespace tessera::harness
