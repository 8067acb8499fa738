#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "codec/checkpoint/checkpoint.h"
#include "codec/codec.h"

namespace tessera::fixtures {

/// A tensor of tests/golden, read independently of the codecs.
[[nodiscard]] std::vector<float> floats(const SafetensorsFile& file, const std::string& name);
/// Rows of a tensor NAME [rows, length], or of tensors NAME.row0, NAME.row1, ...
[[nodiscard]] std::vector<std::vector<float>> float_rows(const SafetensorsFile& file, const std::string& name);
/// `suffix` is ".INPUT" or ".INPUT.levelsN": rows of codes.SUFFIX [levels, frames] or codes.SUFFIX.rowK, chunks,
/// scales.
[[nodiscard]] Codes codes(const SafetensorsFile& file, const std::string& suffix);
[[nodiscard]] bool has(const SafetensorsFile& file, const std::string& name);

/// One folder of a family in tests/golden.
struct Case {
  std::string folder;
  std::string name;
};
[[nodiscard]] std::vector<Case> cases();        ///< of audio codecs
[[nodiscard]] std::vector<Case> image_cases();  ///< of image codecs
void PrintTo(const Case& c, std::ostream* out);
[[nodiscard]] inline std::string case_name(const testing::TestParamInfo<Case>& info) { return info.param.name; }

/// What the reference makes of one input.
struct Expected {
  std::vector<float> wave;                  ///< channels interleaved
  Codes codes;                              ///< with chunks and scales where the codec has them
  std::vector<std::vector<float>> margins;  ///< (second best - best) / best of the squared distances
  std::vector<float> decoded;               ///< channels interleaved
};
[[nodiscard]] std::vector<Expected> expectations(const Case& c);

/// Prints every code that differs with its margin, fails the test where it is no near tie, and returns how many frames
/// differ.
int count_mismatches(const Expected& expected, const Codes& got, const std::string& where);

/// Contexts whose results must agree in every bit.
struct Setting {
  std::string name;
  ContextOptions options;
};
[[nodiscard]] std::vector<Setting> settings();

/// 10 log10 of the expected energy over the error's, in dB.
[[nodiscard]] double signal_to_noise(const std::vector<float>& expected, const std::vector<float>& got);

}  // namespace tessera::fixtures
