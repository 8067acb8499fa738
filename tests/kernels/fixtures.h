#pragma once

// Values of single operations that independent programs computed (tests/golden/README.md), and the comparison with
// them.

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/context.h"

namespace tessera::harness {

/// One entry of tests/golden/kernels/kernels.json.
struct GoldenCase {
  std::string name;
  nlohmann::json parameters;

  [[nodiscard]] bool has(const std::string& role) const;
  [[nodiscard]] const Shape& shape(const std::string& role) const;
  [[nodiscard]] std::vector<float> floats(const std::string& role) const;
  [[nodiscard]] std::vector<std::int32_t> ints(const std::string& role) const;
  /// An integer parameter, and a real one.
  [[nodiscard]] std::int64_t integer(const std::string& key) const { return parameters.at(key).get<std::int64_t>(); }
  [[nodiscard]] double number(const std::string& key) const { return parameters.at(key).get<double>(); }
  /// Clip `i` of a [clips, channels, time] tensor, as [time, channels].
  [[nodiscard]] std::vector<float> clip(const std::string& role, std::int64_t i) const;
};

/// The entries of one operation. Never empty: a misspelt operation fails the test.
[[nodiscard]] std::vector<GoldenCase> golden_cases(const std::string& operation);

/// Runs `compute` on every backend and fails the current test unless each value is within `tolerance` * (largest
/// expected magnitude) of `expected`. With --bench also prints the error.
void expect_near(const std::string& name, const std::vector<float>& expected, double tolerance,
                 const std::function<std::vector<float>(Context&)>& compute);

/// Copies to and from a context's device.
[[nodiscard]] Tensor on_device(Context& context, const std::vector<float>& values, Shape shape);
[[nodiscard]] std::vector<float> on_host(Context& context, const Tensor& tensor);

/// 10^(-decibels / 20).
[[nodiscard]] double from_decibels(double decibels);

}  // namespace tessera::harness
