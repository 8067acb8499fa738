// Text tokenizers against what the `tokenizers` and `sentencepiece` packages make of the same files and strings.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "tokenizer/text.h"

namespace tessera {
namespace {

using nlohmann::json;
using Ids = std::vector<std::int32_t>;
namespace fs = std::filesystem;

const fs::path kFolder = fs::path(TESSERA_SOURCE_DIR) / "tests/golden/text";

json read_json(const fs::path& path) { return json::parse(std::ifstream(path)); }

std::vector<std::string> strings() { return read_json(kFolder / "strings.json").get<std::vector<std::string>>(); }

Ids encoded(const TextTokenizer& tokenizer, const std::string& text, bool add_special = false) {
  Ids ids;
  tokenizer.encode(text, ids, add_special);
  return ids;
}

/// Decoded id by id; every part must be whole characters.
std::string streamed(const TextTokenizer& tokenizer, const Ids& ids, bool skip_special) {
  TextDecoder decoder(tokenizer, skip_special);
  std::string text;
  for (const std::int32_t id : ids) {
    const std::string part = decoder.push(id);
    EXPECT_EQ(replace_invalid_utf8(part), part);
    text += part;
  }
  return text + decoder.finish();
}

std::string or_else(const json& value, const std::string& otherwise) {
  return value.is_null() ? otherwise : value.get<std::string>();
}

/// The reference's byte-level decoder reads an added token "é" as the byte E9; ours keeps it.
bool reads_added_as_bytes(const std::string& decoded) {
  return decoded.find("caf\uFFFD") != decoded.npos || decoded.find("norm\uFFFD") != decoded.npos;
}

class GoldenText : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    folder_ = kFolder / GetParam();
    expected_ = read_json(folder_ / "expected.json");
    tokenizer_ = load_text_tokenizer(folder_);
  }
  fs::path folder_;
  json expected_;
  std::unique_ptr<TextTokenizer> tokenizer_;
};

TEST_P(GoldenText, Ids) {
  const auto texts = strings();
  ASSERT_EQ(expected_["ids"].size(), texts.size());
  EXPECT_EQ(tokenizer_->size(), expected_["size"].get<int>());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Ids ids = expected_["ids"][i].get<Ids>();
    EXPECT_EQ(encoded(*tokenizer_, texts[i]), ids) << json(texts[i]);
    EXPECT_EQ(encoded(*tokenizer_, texts[i]), ids) << "with the word cache: " << json(texts[i]);
    if (!expected_.contains("special")) continue;
    const json& special = expected_["special"][i];
    EXPECT_EQ(encoded(*tokenizer_, texts[i], true), special.is_null() ? ids : special.get<Ids>()) << json(texts[i]);
  }
}

TEST_P(GoldenText, Decoded) {
  const auto texts = strings();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Ids ids = expected_["ids"][i].get<Ids>();
    const std::string decoded = or_else(expected_["decoded"][i], texts[i]);
    if (reads_added_as_bytes(decoded)) continue;
    EXPECT_EQ(decode_text(*tokenizer_, ids), decoded) << json(texts[i]);
    EXPECT_EQ(streamed(*tokenizer_, ids, false), decoded) << json(texts[i]);
    if (!expected_.contains("skipped")) continue;
    EXPECT_EQ(streamed(*tokenizer_, ids, true), or_else(expected_["skipped"][i], decoded)) << json(texts[i]);
  }
}

TEST_P(GoldenText, RandomIdsDecoded) {
  if (!expected_.contains("pieces")) return;
  for (const json& piece : expected_["pieces"]) {
    EXPECT_EQ(streamed(*tokenizer_, piece[0].get<Ids>(), false), piece[1].get<std::string>()) << piece[0];
  }
}

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Golden, GoldenText, testing::ValuesIn(cases()), [](const auto& test) { return test.param; });

}  // namespace
}  // namespace tessera
