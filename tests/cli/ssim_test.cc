#include "cli/ssim.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "codec/checkpoint/checkpoint.h"

namespace tessera::cli {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct Size {
  int rows, columns;
};

/// As generate_ssim.py makes them.
std::vector<int> random_bytes(int seed, int count) {
  auto state = static_cast<std::uint32_t>(seed);
  std::vector<int> out;
  for (int i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;
    out.push_back(static_cast<int>(state >> 16 & 255));
  }
  return out;
}

Bytes picture(const Size& s) {
  const std::vector<int> noise = random_bytes(s.rows + s.columns, s.rows * s.columns * 3);
  Bytes out;
  for (int i = 0; i < s.rows * s.columns * 3; ++i) {
    const int c = i % 3;
    const int x = i / 3 % s.columns;
    const int y = i / 3 / s.columns;
    const int step = x + y > s.columns ? 40 : 0;
    out.push_back(
        static_cast<std::uint8_t>((noise[static_cast<std::size_t>(i)] / 3 + 2 * x + (c + 1) * y + step) % 256));
  }
  return out;
}

Bytes copy_of(const Bytes& x, const Size& s, const std::string& kind) {
  const std::vector<int> noise = random_bytes(5 * s.rows + s.columns, static_cast<int>(x.size()));
  Bytes out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const int value = kind == "noise"   ? x[i] + noise[i] / 8 - 16
                      : kind == "shift" ? x[i] + 30
                      : kind == "other" ? 255 - x[i]
                      : kind == "flat"  ? 128
                                        : x[i];
    out.push_back(static_cast<std::uint8_t>(std::clamp(value, 0, 255)));
  }
  return out;
}

TEST(Ssim, AgreesWithScikitImage) {
  Checkpoint golden(std::string(TESSERA_SOURCE_DIR) + "/tests/golden/ssim/ssim.safetensors");
  for (const Size& s : {Size{7, 7}, {7, 31}, {40, 8}, {33, 50}, {64, 97}}) {
    const Bytes x = picture(s);
    for (const char* kind : {"noise", "shift", "other", "flat", "same"}) {
      const std::string name = std::to_string(s.rows) + "." + std::to_string(s.columns) + "." + kind;
      const double expected = golden.floats(name, {1}).front();
      EXPECT_NEAR(structural_similarity(x, copy_of(x, s, kind), s.rows, s.columns), expected, 1e-6) << name;
    }
  }
}

TEST(Ssim, NeedsAWindow) {
  const Bytes x(std::size_t{6} * 40 * 3, 9);
  EXPECT_TRUE(std::isnan(structural_similarity(x, x, 6, 40)));
  EXPECT_TRUE(std::isnan(structural_similarity(x, x, 40, 6)));
}

}  // namespace
}  // namespace tessera::cli
