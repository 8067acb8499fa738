// Where models keep their codes, by the names of tokens.

#include "tokenizer/vocabulary.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "kernels/error.h"
#include "tokenizer/layout.h"

namespace tessera {
namespace {

/// A tokenizer that is only a list of names; those that begin with '<' are special.
class Names final : public TextTokenizer {
 public:
  explicit Names(std::vector<std::string> names) : names_(std::move(names)) {}
  [[nodiscard]] std::int32_t size() const override { return static_cast<std::int32_t>(names_.size()); }
  void encode(std::string_view, std::vector<std::int32_t>&, bool) const override {}
  [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view token) const override {
    const auto found = std::find(names_.begin(), names_.end(), token);
    return found == names_.end() ? std::nullopt : std::optional(static_cast<std::int32_t>(found - names_.begin()));
  }
  [[nodiscard]] std::string_view token(std::int32_t id) const override { return names_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] std::string_view text_of(std::int32_t id, bool) const override { return token(id); }
  [[nodiscard]] bool is_special(std::int32_t id) const override { return token(id).starts_with('<'); }

 private:
  std::vector<std::string> names_;
};

Codes codes_of(std::vector<std::vector<std::int32_t>> rows) {
  Codes codes;
  codes.rows = std::move(rows);
  return codes;
}

std::vector<std::string> chameleon_names(int codes) {
  std::vector<std::string> names = {"<s>", "<pad>", "</s>", "<unk>"};
  for (int code = 0; code < codes; ++code) {
    std::string name = "IMGIMG";
    for (const char digit : std::to_string(code)) name += static_cast<char>('A' + (digit - '0'));
    names.push_back(name + "Z");
  }
  for (const char* name : {"<eoss>", "<racm3:break>", "a", "b"}) names.emplace_back(name);
  return names;
}

TEST(ModelVocabulary, ChameleonByNames) {
  const Names names(chameleon_names(120));
  const Vocabulary vocabulary = model_vocabulary(names, "", "test");
  ASSERT_NE(vocabulary.range("image.0"), nullptr);
  EXPECT_EQ(static_cast<IdRange>(*vocabulary.range("image.0")), (IdRange{4, 120}));
  EXPECT_EQ(static_cast<IdRange>(*vocabulary.range("text")), (IdRange{124, 4}));
  EXPECT_EQ(vocabulary.specials().at("<racm3:break>"), 125);
  EXPECT_EQ(vocabulary.range_of(4 + 102)->name, "image.0");
  EXPECT_EQ(names.token(4 + 102), "IMGIMGBACZ");
  const auto layout = image_layout(vocabulary, names);
  ASSERT_TRUE(layout.has_value());
  EXPECT_EQ(layout->begin, 125);
  EXPECT_EQ(layout->end, 124);
  EXPECT_EQ(length_of(*layout, 32, 32), 1026);
}

TEST(ModelVocabulary, OtherOrderThanTheCodesIsRefused) {
  auto swapped = chameleon_names(20);
  std::swap(swapped[5], swapped[6]);
  EXPECT_THROW((void)model_vocabulary(Names(swapped), "", "test"), CheckpointError);
  auto gap = chameleon_names(20);
  gap[9] = "gone";
  EXPECT_THROW((void)model_vocabulary(Names(gap), "", "test"), CheckpointError);
}

TEST(ModelVocabulary, Emu3ByNames) {
  std::vector<std::string> list;
  for (char c = '0'; c <= '9'; ++c) list.emplace_back(1, c);
  for (const char* name :
       {"*", "<|extra_200|>", "<|extra_201|>", "<|image token|>", "<|image start|>", "<|image end|>"}) {
    list.emplace_back(name);
  }
  const std::int64_t first = std::ssize(list);
  for (int code = 0; code < 64; ++code) {
    char name[32];
    std::snprintf(name, sizeof name, "<|visual token %06d|>", code);
    list.emplace_back(name);
  }
  const Names names(list);
  const Vocabulary vocabulary = model_vocabulary(names, "", "test");
  EXPECT_EQ(static_cast<IdRange>(*vocabulary.range("image.0")), (IdRange{first, 64}));
  EXPECT_EQ(vocabulary.specials().count("<|visual token 000000|>"), 0U);
  const auto layout = image_layout(vocabulary, names);
  ASSERT_TRUE(layout.has_value());
  // BOI "90*90" IMG, 90 rows of 90 codes and EOL, EOF EOI
  EXPECT_EQ(length_of(*layout, 90, 90), 1 + 5 + 1 + 90 * 91 + 2);
}

TEST(ModelVocabulary, OrpheusHasSevenSlots) {
  std::vector<std::string> list = {"a", "b"};
  for (int number = 0; number < 10 + 7 * 4096; ++number)
    list.push_back("<custom_token_" + std::to_string(number) + ">");
  const Vocabulary vocabulary = model_vocabulary(Names(list), "", "test");
  const auto slots = vocabulary.ranges_of_codec("audio");
  ASSERT_EQ(slots.size(), 7U);
  EXPECT_EQ(slots[0].first, 12);
  EXPECT_EQ(slots[4].level, 1);
  EXPECT_EQ(slots[4].first, 12 + 4 * 4096);
  const AudioLayout layout = snac_frames(slots);
  EXPECT_EQ(flatten(codes_of({{1}, {2, 3}, {4, 5, 6, 7}}), layout)[4], 12 + 4 * 4096 + 3);
  EXPECT_EQ(vocabulary.specials().at("<custom_token_9>"), 11);
}

TEST(ModelVocabulary, MimoAudioIsMultiLevel) {
  const Names names({"a", "b", "<|empty|>", "<|sosp|>"});
  const char* config = R"({"speech_vocab_size":"1025-1025-129","speech_zeroemb_idx":"1024-1024-128","group_size":4,
                           "audio_channels":3,"delay_pattern":"0-1-2"})";
  const Vocabulary vocabulary = model_vocabulary(names, config, "test");
  ASSERT_TRUE(vocabulary.pattern().has_value());
  EXPECT_EQ(vocabulary.pattern()->group, 4);
  EXPECT_EQ(vocabulary.pattern()->delays, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(vocabulary.pattern()->empty_ids[2], 128);
  EXPECT_EQ(vocabulary.range("audio.2")->count, 129);
  EXPECT_EQ(vocabulary.range_of(1)->name, "text") << "ids of levels are not ids of the sequence";
  EXPECT_EQ(parse_vocabulary(to_json(vocabulary), "test"), vocabulary);
  EXPECT_THROW((void)model_vocabulary(names, R"({"speech_vocab_size":"9-9","audio_channels":3})", "test"),
               CheckpointError);
}

TEST(VocabularyJson, IsTheContract) {
  const std::vector<int> sizes = {1024, 512};
  const Vocabulary vocabulary = codec_vocabulary(sizes);
  EXPECT_EQ(to_json(vocabulary),
            R"({"size":1536,"ranges":[{"name":"audio.0","first":0,"count":1024,"codec":"audio","level":0},)"
            R"({"name":"audio.1","first":1024,"count":512,"codec":"audio","level":1}],"specials":{},"layout":"flat"})");
  EXPECT_EQ(parse_vocabulary(to_json(vocabulary), "test"), vocabulary);
}

TEST(VocabularyJson, WhatDoesNotHoldIsRefused) {
  const auto refused = [](const char* ranges, const char* specials) {
    const std::string text =
        std::string(R"({"size":10,"layout":"flat","ranges":[)") + ranges + "],\"specials\":{" + specials + "}}";
    EXPECT_THROW((void)parse_vocabulary(text, "test"), CheckpointError) << text;
  };
  refused(R"({"name":"a","first":0,"count":11})", "");
  refused(R"({"name":"a","first":0,"count":5},{"name":"b","first":4,"count":2})", "");
  refused(R"({"name":"a","first":0,"count":2},{"name":"a","first":4,"count":2})", "");
  refused(R"({"name":"a","first":0,"count":0})", "");
  refused(R"({"name":"a","first":-1,"count":2})", "");
  refused("", R"("x":10)");
}

}  // namespace
}  // namespace tessera
