// Files of tokenizers that come from anywhere: what would take all memory, or mean another thing to PCRE2 than to the
// reference, is refused by name.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "tokenizer/text.h"

namespace tessera {
namespace {

using nlohmann::json;

const json kDoubling = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
const json kByteFallback = {{"type", "ByteFallback"}};

json file_with(const json& parts) {
  json file = {{"model", {{"unk_token", "?"}, {"vocab", {{"?", 0}, {"a", 1}}}, {"merges", json::array()}}},
               {"decoder", kByteFallback}};
  file.update(parts, true);
  return file;
}

json sequence(const char* key, std::size_t count, const json& step) {
  return {{"type", "Sequence"}, {key, json::array_t(count, step)}};
}

std::vector<std::int32_t> ids_of(const json& file, const std::string& text) {
  std::vector<std::int32_t> ids;
  parse_tokenizer_json(file.dump(), "x")->encode(text, ids, true);
  return ids;
}

std::string refusal_of_file(const json& parts) {
  try {
    (void)parse_tokenizer_json(file_with(parts).dump(), "x");
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "";
}

std::string reason_of_text(const json& parts, const std::string& text) {
  try {
    (void)ids_of(file_with(parts), text);
  } catch (const InputError& error) {
    return error.reason();
  }
  return "";
}

TEST(TokenizerJson, TextsGrowWithinBounds) {
  const auto doubled = [](std::size_t times) {
    return json{{"normalizer", sequence("normalizers", times, kDoubling)}};
  };
  EXPECT_EQ(ids_of(file_with(doubled(5)), "a").size(), 32U);
  EXPECT_EQ(reason_of_text(doubled(50), "a"), "text_growth");
  const json blanks = {{"type", "Metaspace"}, {"replacement", "  "}, {"prepend_scheme", "never"}, {"split", false}};
  EXPECT_EQ(reason_of_text({{"pre_tokenizer", sequence("pretokenizers", 50, blanks)}}, " "), "text_growth");
  const json long_prefix = {{"type", "Prepend"}, {"prepend", std::string(5000, 'a')}};
  EXPECT_EQ(reason_of_text({{"normalizer", long_prefix}}, "a"), "text_growth");
}

TEST(TokenizerJson, TokensGrowWithinBounds) {
  json steps = sequence("decoders", 50, kDoubling);
  steps["decoders"].push_back(kByteFallback);
  EXPECT_NE(refusal_of_file({{"decoder", steps}}).find("longer than"), std::string::npos);
  EXPECT_NE(refusal_of_file({{"decoder", sequence("decoders", 65, kDoubling)}}).find("too many"), std::string::npos);
  EXPECT_NE(refusal_of_file({{"normalizer", sequence("normalizers", 50, kDoubling)},
                             {"added_tokens", {{{"id", 2}, {"content", "aaa"}, {"normalized", true}}}}})
                .find("x: a token of its own"),
            std::string::npos);
}

TEST(TokenizerJson, TemplatesAreShort) {
  const auto repeated = [](std::size_t times) {
    const json item = {{"SpecialToken", {{"id", "?"}}}};
    const json tokens = {{"?", {{"ids", {0, 0, 0, 0}}}}};
    return json{{"post_processor",
                 {{"type", "TemplateProcessing"}, {"single", json::array_t(times, item)}, {"special_tokens", tokens}}}};
  };
  EXPECT_EQ(ids_of(file_with(repeated(1024)), "").size(), 4096U);
  EXPECT_NE(refusal_of_file(repeated(1025)).find("more than 4096 ids"), std::string::npos);
}

TEST(TokenizerJson, PatternsOfPcre2AloneAreRefused) {
  const auto refused = [](const char* regex) {
    const json split = {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}};
    return refusal_of_file({{"pre_tokenizer", split}}).find("is not supported") != std::string::npos;
  };
  for (const char* regex : {"(*UTF)a", "(?R)", "(a)(?1)", "(?C1)a", "(?|a|b)", "(?(1)a)", "{,é", "(?P<n>a)"}) {
    EXPECT_TRUE(refused(regex)) << regex;
  }
  for (const char* regex : {"(?:a)", "(?=a)", "(?!a)", "(?>a)", "(?<=a)b", "(?<!a)b", "(?i:a)", "[(*]", "\\(*"}) {
    EXPECT_FALSE(refused(regex)) << regex;
  }
}

TEST(TokenizerJson, TheUnknownTokenIsNoHole) {
  const json holes = {{"model", {{"unk_token", ""}, {"vocab", {{"b", 5}}}}}};
  EXPECT_NE(refusal_of_file(holes).find("unk_token"), std::string::npos);
}

}  // namespace
}  // namespace tessera
