// Only logits of ids that may come next are computed: the same bits, the same ids, less work.

#include <gtest/gtest.h>

#include <random>

#include "tests/model/continued.h"

namespace tessera {
namespace {

std::vector<IdRange> panels_of(const std::vector<IdRange>& ids, std::int64_t vocabulary) {
  WantedIds wanted;
  wanted.add(ids);
  return wanted.panels(vocabulary);
}

TEST(WantedIds, AreWholePanelsApart) {
  using Ranges = std::vector<IdRange>;
  EXPECT_EQ(panels_of({}, 100), (Ranges{{0, 100}}));
  EXPECT_EQ(panels_of({{97, 3}}, 100), (Ranges{{96, 4}}));
  EXPECT_EQ(panels_of({{70, 1}, {3, 2}, {17, 1}}, 100), (Ranges{{0, 32}, {64, 16}}));
  EXPECT_EQ(panels_of({{0, 60}, {5, 1}, {40, 500}}, 100), (Ranges{{0, 100}}));
  WantedIds all;
  all.add(Ranges{{3, 1}});
  all.add_all();
  EXPECT_EQ(all.panels(100), (Ranges{{0, 100}}));
}

TEST(WantedIds, HaveTheBitsOfTheWholeHead) {
  Model model(small_model());
  const std::int64_t vocabulary = model.decoder->config().vocabulary;
  const Ids ids{5, 3, 8, 1, 1, 2};
  const auto forward = [&](std::span<const IdRange> only) {
    Sequence sequence = model.decoder->start(model.context, 6);
    const Feed feed{&sequence, ids};
    const Tensor logits = model.decoder->forward(model.context, std::span(&feed, 1), LogitRows::all, nullptr, only);
    return only.empty() ? host(model.context, logits) : download_logits(model.context, logits, only);
  };
  const std::vector<float> whole = forward({});
  std::mt19937 random(3);
  for (int i = 0; i < 20; ++i) {
    const auto first = static_cast<std::int64_t>(random() % vocabulary);
    const auto only = panels_of({{first, 1 + static_cast<std::int64_t>(random() % 9)}, {3, 1}}, vocabulary);
    const std::vector<float> some = forward(only);
    ASSERT_EQ(some.size(), whole.size());
    for (std::size_t j = 0; j < some.size(); ++j) {
      const auto id = static_cast<std::int64_t>(j) % vocabulary;
      const bool inside = std::any_of(only.begin(), only.end(), [&](const IdRange& r) { return r.contains(id); });
      ASSERT_TRUE(inside ? some[j] == whole[j] : std::isnan(some[j])) << "id " << id;
    }
  }
}

// Text in [0, 48), pictures of 5 x 3 codes in [64, 80) between 48 and 49, a row ends by 50, 51 stops.
SequenceLayout text_and_pictures() {
  SequenceLayout layout;
  layout.text = {{0, 48}};
  ImageLayout image;
  image.codes = {64, 16};
  image.begin = 48, image.end = 49, image.row_end = 50;
  image.rows = 5, image.columns = 3;
  layout.image = image;
  layout.stops = {51};
  return layout;
}

GenerateOptions masked_options(const SequenceLayout& layout, bool whole_head) {
  GenerateOptions options;
  options.max_tokens = 60;
  options.sampler.temperature = 1.5;
  options.sampler.seed = 11;
  options.image_sampler = options.sampler;
  options.image_sampler.top_p = 0.9;
  options.grammar.emplace(layout);
  options.log_probabilities = whole_head;
  return options;
}

class AllowedIds : public testing::TestWithParam<Case> {};

TEST_P(AllowedIds, AloneAreComputedAndDrawTheSame) {
  Model model(GetParam().folder);
  const SequenceLayout layout = text_and_pictures();
  const Ids prompt{1, 2, 48};
  for (const int drafts : {0, 3}) {
    std::vector<Ids> ids;
    std::vector<double> per_row;
    for (const bool whole_head : {true, false}) {
      GenerateOptions options = masked_options(layout, whole_head);
      options.drafts = drafts;
      for (const std::int32_t id : prompt) options.grammar->advance(id);
      Generation g(model.context, *model.decoder, model.drafts.get(), prompt, options);
      generate(model.context, *model.decoder, g, [](std::int32_t) { return true; });
      ids.emplace_back(g.generated().begin(), g.generated().end());
      per_row.push_back(static_cast<double>(g.logits_computed()));
    }
    EXPECT_EQ(ids[0], ids[1]) << drafts;
    ASSERT_GE(ids[0].size(), 20);
    EXPECT_EQ(ids[0][3], 50);  // the picture's first row ends
    EXPECT_LT(per_row[1], 0.7 * per_row[0]) << drafts;
  }
}

TEST_P(AllowedIds, OfCompanyAreComputedToo) {
  Model model(GetParam().folder);
  const SequenceLayout layout = text_and_pictures();
  std::vector<GenerateOptions> options(3, masked_options(layout, false));
  options[1].grammar->advance(48);
  options[2].sampler.seed = 12;
  const std::vector<Ids> prompts{{1, 2}, {48}, {9, 9, 9}};
  std::vector<Ids> expected;
  std::vector<Generation> all;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    expected.push_back(run(model, prompts[i], options[i]).ids);
    all.emplace_back(model.context, *model.decoder, model.drafts.get(), prompts[i], options[i]);
  }
  std::vector<Generation*> batch;
  for (Generation& g : all) batch.push_back(&g);
  for (int step = 0; step < 70; ++step) advance(model.context, *model.decoder, batch);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_TRUE(all[i].finished());
    EXPECT_EQ(result_of(all[i]).ids, expected[i]) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, AllowedIds, testing::ValuesIn(cases_of("drafts")), case_name);

}  // namespace
}  // namespace tessera
