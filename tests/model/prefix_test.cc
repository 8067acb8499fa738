// What prompts have in common is read once: the same bits, fewer ids read, bounded memory.

#include <gtest/gtest.h>

#include <random>

#include "kernels/error.h"
#include "model/prefix_cache.h"
#include "tests/model/continued.h"

namespace tessera {
namespace {

constexpr std::int64_t kPlenty = std::int64_t{1} << 30;

Ids any_ids(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  Ids ids;
  while (ids.size() < count) ids.push_back(static_cast<std::int32_t>(random() % 60));
  return ids;
}

Ids joined(Ids ids, const Ids& more) {
  ids.insert(ids.end(), more.begin(), more.end());
  return ids;
}

std::vector<float> read(Model& model, Sequence& sequence, const Ids& ids) {
  const Tensor logits = model.decoder->forward(model.context, sequence, ids, LogitRows::all);
  std::vector<float> rows(static_cast<std::size_t>(logits.size()));
  model.context.download(logits.bytes(), rows.data(), rows.size() * sizeof(float));
  return rows;
}

class Prefix : public testing::TestWithParam<std::string> {
 protected:
  Model model_{std::filesystem::path(TESSERA_SOURCE_DIR "/tests/golden") / GetParam()};
};

TEST_P(Prefix, ForksHaveTheBitsOfTheirOwnReading) {
  const Ids common = any_ids(700, 1);
  const Ids ends[] = {any_ids(90, 2), any_ids(300, 3)};
  std::vector<std::vector<float>> expected;
  for (const Ids& end : ends) {
    Sequence alone = model_.decoder->start(model_.context, 1000);
    (void)read(model_, alone, common);
    expected.push_back(read(model_, alone, end));
  }
  Sequence first = model_.decoder->start(model_.context, 900);
  (void)read(model_, first, joined(common, any_ids(200, 4)));
  ASSERT_TRUE(first.reaches(700));
  Sequence second = first.fork(model_.context, 700, 1000);
  Sequence third = second.fork(model_.context, 700, 5000);
  EXPECT_EQ(read(model_, third, ends[1]), expected[1]);
  EXPECT_EQ(read(model_, second, ends[0]), expected[0]);
  first.truncate(700);
  EXPECT_EQ(read(model_, first, ends[0]), expected[0]);
  EXPECT_THROW((void)second.fork(model_.context, 900, 1000), ArgumentError);
  EXPECT_THROW((void)second.fork(model_.context, 700, 600), ArgumentError);
}

TEST_P(Prefix, ChangesNoIdAndSavesReading) {
  const Ids common = any_ids(600, 5);
  PrefixCache prefixes(kPlenty);
  bool reads = true;
  for (const Ids& prompt : {joined(common, {1, 2, 3}), joined(common, {1, 2, 3}), joined(common, any_ids(30, 6)),
                            joined(common, joined({1, 2, 3}, any_ids(40, 7)))}) {
    GenerateOptions options;
    options.context = 2000;
    options.max_tokens = 12;
    options.sampler.temperature = 0.8;
    options.log_probabilities = true;
    const Result expected = run(model_, prompt, options);
    options.prefixes = &prefixes;
    Generation g(model_.context, *model_.decoder, model_.drafts.get(), prompt, options);
    generate(model_.context, *model_.decoder, g, [](std::int32_t) { return true; });
    EXPECT_EQ(result_of(g), expected);
    EXPECT_EQ(g.prefix() == 0, reads);
    EXPECT_GE(g.prefix(), reads ? 0 : 512);
    EXPECT_LT(g.prefix(), static_cast<std::int64_t>(prompt.size()));
    reads = false;
    options.score_prompt = true;
    EXPECT_EQ(run(model_, prompt, options).prompt_scores.size(), prompt.size() - 1);
  }
}

TEST_P(Prefix, OfBothPromptsOfGuidance) {
  PrefixCache prefixes(kPlenty);
  GenerateOptions options;
  options.context = 1000;
  options.max_tokens = 10;
  options.sampler.temperature = 0;
  options.guidance = {2, any_ids(300, 8)};
  const Ids prompt = any_ids(40, 9);
  const Result expected = run(model_, prompt, options);
  options.prefixes = &prefixes;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(run(model_, prompt, options), expected);
  EXPECT_GE(prefixes.size(), 2);
}

std::string last_part(const testing::TestParamInfo<std::string>& info) {
  return info.param.substr(info.param.find('/') + 1);
}

INSTANTIATE_TEST_SUITE_P(Models, Prefix,
                         testing::Values("decoder/llama_tied_f16", "decoder/qwen2_window_bf16",
                                         "decoder/deepseek_v2_lite_bf16", "drafts/mimo_v2_three_bf16",
                                         "drafts/deepseek_v3_bf16"),
                         last_part);

TEST(PrefixCache, KeepsToItsBytes) {
  Model model(small_model());
  const auto of = [&](const Ids& ids) {
    Sequence sequence = model.decoder->start(model.context, 600);
    (void)read(model, sequence, ids);
    return sequence;
  };
  const Ids ids[] = {any_ids(10, 1), any_ids(10, 2), any_ids(10, 3)};
  PrefixCache all(kPlenty);
  all.put(model.context, ids[0], of(ids[0]), nullptr);
  const std::int64_t one = all.bytes();
  EXPECT_GT(one, 0);
  PrefixCache two(2 * one);
  for (const Ids& prompt : {ids[0], ids[1], ids[0]}) two.put(model.context, prompt, of(prompt), nullptr);
  EXPECT_EQ(two.size(), 2);
  EXPECT_EQ(two.bytes(), 2 * one);
  two.put(model.context, ids[2], of(ids[2]), nullptr);  // [1] was used longest ago
  EXPECT_EQ(two.find(ids[1], false).entry, nullptr);
  EXPECT_EQ(two.find(joined(ids[0], {1}), false).length, 10);
  EXPECT_EQ(two.find(ids[2], false).length, 9);
  EXPECT_EQ(two.find(joined(ids[2], {1}), true).entry, nullptr);
  EXPECT_EQ(two.find(Ids{}, false).entry, nullptr);
  PrefixCache none(one - 1);
  none.put(model.context, ids[0], of(ids[0]), nullptr);
  EXPECT_EQ(none.size(), 0);
}

}  // namespace
}  // namespace tessera
