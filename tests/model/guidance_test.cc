// Classifier-free guidance: against logits of two plain runs, with drafts, a grammar and company.

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "tests/model/continued.h"

namespace tessera {
namespace {

std::vector<float> last_row(Model& model, Sequence& sequence, const Ids& next) {
  const Tensor logits = model.decoder->forward(model.context, sequence, next, LogitRows::last);
  std::vector<float> row(static_cast<std::size_t>(logits.size()));
  model.context.download(logits.bytes(), row.data(), row.size() * sizeof(float));
  return row;
}

// Two sequences one after the other, an id at a time.
Ids expected_ids(Model& model, const Ids& prompt, const Ids& other, float scale, const SamplerOptions& options,
                 std::size_t count) {
  Sequence with = model.decoder->start(model.context, static_cast<std::int64_t>(prompt.size() + count));
  Sequence without = model.decoder->start(model.context, static_cast<std::int64_t>(other.size() + count));
  std::vector<float> c = last_row(model, with, prompt);
  std::vector<float> u = last_row(model, without, other);
  const Sampler sampler(options);
  IdCounts counts;
  for (const std::int32_t id : prompt) ++counts.prompt[id];
  Ids ids;
  while (true) {
    for (std::size_t i = 0; i < c.size(); ++i) {
      const float difference = c[i] - u[i];
      const float scaled = scale * difference;
      c[i] = u[i] + scaled;
    }
    const auto position = static_cast<std::int64_t>(prompt.size() + ids.size());
    ids.push_back(sampler.draw(c, position, counts));
    ++counts.generated[ids.back()];
    if (ids.size() == count) return ids;
    c = last_row(model, with, {ids.back()});
    u = last_row(model, without, {ids.back()});
  }
}

GenerateOptions guided(float scale, const Ids& other, double temperature) {
  GenerateOptions options;
  options.max_tokens = 40;
  options.sampler.temperature = temperature;
  options.sampler.top_k = 30;
  options.sampler.top_p = 0.95;
  options.sampler.repetition_penalty = 1.2;
  options.sampler.seed = 3;
  options.guidance = {scale, other};
  return options;
}

Ids long_prompt(std::size_t length) {
  Ids ids;
  while (ids.size() < length) ids.push_back(static_cast<std::int32_t>(ids.size() * 31 % 61));
  return ids;
}

class Guided : public testing::TestWithParam<Case> {};

TEST_P(Guided, IdsAreThoseOfTwoPlainRuns) {
  Model model(GetParam().folder);
  const Ids prompt{7, 1, 30, 2};
  const Ids plain = run(model, prompt, guided(1, {}, 0)).ids;
  for (const float scale : {0.0F, 3.0F, -1.5F}) {
    for (const double temperature : {0.0, 0.8}) {
      for (const Ids& other : {Ids{4}, long_prompt(70)}) {
        const GenerateOptions options = guided(scale, other, temperature);
        const Ids expected = expected_ids(model, prompt, other, scale, options.sampler, 40);
        EXPECT_EQ(run(model, prompt, options).ids, expected) << scale << ", " << temperature << ", " << other.size();
        EXPECT_NE(expected, plain);
      }
    }
  }
}

TEST_P(Guided, DraftsChangeNoId) {
  Model model(GetParam().folder);
  for (const double temperature : {0.0, 0.8}) {
    GenerateOptions options = guided(2, {9, 9}, temperature);
    options.log_probabilities = true;
    options.score_prompt = true;
    options.drafts = 0;
    const Result expected = run(model, {1, 2, 3}, options);
    for (const int drafts : {1, 3, GenerateOptions::kAutomatic}) {
      options.drafts = drafts;
      EXPECT_EQ(run(model, {1, 2, 3}, options), expected) << drafts;
    }
    options.guidance = {};
    EXPECT_EQ(run(model, {1, 2, 3}, options).prompt_scores, expected.prompt_scores);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Guided, testing::ValuesIn(cases_of("drafts")), case_name);

TEST(Guidance, OfScaleOneIsNone) {
  Model model(small_model());
  GenerateOptions options = guided(1, {5, 6}, 0.9);
  options.log_probabilities = true;
  const Result with = run(model, {1, 2}, options);
  options.guidance = {};
  EXPECT_EQ(run(model, {1, 2}, options), with);
}

TEST(Guidance, KeepsToItselfInCompany) {
  Model model(small_model());
  std::vector<GenerateOptions> options{guided(3, long_prompt(600), 0.7), guided(1, {}, 0.7), guided(2, {1}, 0)};
  options[0].context = 1000;
  options[1].score_prompt = true;
  SequenceLayout layout;
  layout.text = {{0, 20}, {40, 10}};
  options[2].grammar.emplace(layout);
  options[2].max_tokens = 25;
  const std::vector<Ids> prompts{{1, 2, 3}, long_prompt(80), {4, 4, 4, 4}};
  std::vector<Result> expected;
  std::vector<Generation> all;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    expected.push_back(run(model, prompts[i], options[i]));
    all.emplace_back(model.context, *model.decoder, nullptr, prompts[i], options[i]);
  }
  std::vector<Generation*> batch;
  for (Generation& g : all) batch.push_back(&g);
  for (int step = 0; step < 60; ++step) advance(model.context, *model.decoder, batch);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_TRUE(all[i].finished());
    EXPECT_EQ(result_of(all[i]), expected[i]) << i;
  }
  // Within the grammar the ids are those of the whole head.
  options[2].log_probabilities = true;
  EXPECT_EQ(run(model, prompts[2], options[2]).ids, expected[2].ids);
}

TEST(Guidance, LeavesRoomForBothPrompts) {
  Model model(small_model());
  GenerateOptions options = guided(2, long_prompt(20), 0);
  options.context = 30;
  EXPECT_EQ(run(model, {1}, options).ids.size(), 10);
  const auto reason = [&]() -> std::string {
    try {
      Generation(model.context, *model.decoder, nullptr, {1}, options);
    } catch (const Error& error) {
      return error.reason();
    }
    return "";
  };
  options.context = 19;
  EXPECT_EQ(reason(), "context_overflow");
  options.guidance.prompt = {};
  EXPECT_EQ(reason(), "empty_prompt");
  options.guidance.prompt = {-3};
  EXPECT_EQ(reason(), "bad_ids");
  options.guidance = {1.0 / 0.0, {1}};
  EXPECT_EQ(reason(), "bad_argument");
}

}  // namespace
}  // namespace tessera
