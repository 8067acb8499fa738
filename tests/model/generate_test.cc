// Continuing prompts: drafts against a reference of their own, and the same ids with them and without, alone and in
// company, whole prompts and pieces.

#include <gtest/gtest.h>

#include <cstdio>
#include <limits>
#include <set>

#include "kernels/error.h"
#include "model/generation_limits.h"
#include "tests/model/continued.h"

namespace tessera {
namespace {

constexpr double kDraftTolerance = 1e-5;

class Drafts : public testing::TestWithParam<Case> {};

// The state has seen `known` ids, in pieces; proposals are answered with the true ids.
TEST_P(Drafts, LogProbabilitiesAreTheReferences) {
  const Golden golden(GetParam());
  Model model(GetParam().folder);
  const Ids ids = golden.values<std::int32_t>("ids");
  const std::int64_t vocabulary = model.decoder->config().vocabulary;
  const auto most = static_cast<std::int64_t>(ids.size());
  ASSERT_NE(model.drafts, nullptr);
  std::vector<std::vector<float>> expected;
  for (int k = 0; golden.has("draft." + std::to_string(k)); ++k) {
    expected.push_back(golden.values<float>("draft." + std::to_string(k)));
  }
  const auto count = static_cast<int>(expected.size());
  ASSERT_EQ(count, model.drafts->reach(0));
  Sequence sequence = model.decoder->start(model.context, most);
  const auto drafter = model.drafts->start(model.context, most);
  double worst = 0;
  std::int64_t seen = 0;
  for (const std::int64_t piece : {1, 1, 2, 31, 3, 70, 1, 20}) {
    const std::int64_t end = std::min(seen + piece, most - 4);
    if (end == seen) break;
    const std::span<const std::int32_t> next = std::span(ids).subspan(seen, end - seen);
    const Feed feed{&sequence, next};
    Tensor hidden;
    (void)model.decoder->forward(model.context, std::span(&feed, 1), LogitRows::last, &hidden);
    seen = end;
    const auto known = std::span(ids).first(seen + 1);
    drafter->observe(model.context, hidden, known);
    int layer = 0;
    const auto pick = [&](std::span<const float> logits, std::int64_t position) {
      EXPECT_EQ(position, seen + 1 + layer);
      const auto got = log_probabilities(logits.data(), vocabulary);
      const float* row = expected[layer].data() + (seen - 1) * vocabulary;
      for (std::int64_t id = 0; id < vocabulary; ++id) worst = std::max(worst, std::abs(got[id] - row[id]));
      ++layer;
      return ids[position];
    };
    const auto proposals = drafter->propose(model.context, known, count, {pick});
    EXPECT_EQ(proposals, Ids(ids.begin() + seen + 1, ids.begin() + seen + 1 + count));
  }
  EXPECT_GT(seen, 30);
  EXPECT_LT(worst, kDraftTolerance);
  std::printf("    log-probabilities of drafts off by at most %.2g\n", worst);
}

GenerateOptions options_for(double temperature, int drafts) {
  GenerateOptions options;
  options.max_tokens = 60;
  options.sampler.temperature = temperature;
  options.sampler.top_k = 20;
  options.sampler.repetition_penalty = 1.1;
  options.sampler.seed = 5;
  options.log_probabilities = true;
  options.score_prompt = true;
  options.drafts = drafts;
  return options;
}

TEST_P(Drafts, ChangeNoId) {
  Model model(GetParam().folder);
  const Ids prompt{3, 1, 4, 1, 5};
  for (const double temperature : {0.0, 0.9}) {
    const Result expected = run(model, prompt, options_for(temperature, 0));
    ASSERT_EQ(expected.ids.size(), 60);
    for (const int drafts : {1, 2, 3, GenerateOptions::kAutomatic}) {
      EXPECT_EQ(run(model, prompt, options_for(temperature, drafts)), expected) << temperature << ", " << drafts;
    }
  }
}

TEST_P(Drafts, OfTheTruthAreAllAccepted) {
  Model model(GetParam().folder);
  const Ids prompt{2, 7};
  GenerateOptions options = options_for(0, 0);
  const Result expected = run(model, prompt, options);
  options.drafts = 3;
  options.impose = [&](std::int32_t, std::int64_t position) {
    return expected.ids[static_cast<std::size_t>(position) - prompt.size()];
  };
  Generation g(model.context, *model.decoder, model.drafts.get(), prompt, options);
  generate(model.context, *model.decoder, g, [](std::int32_t) { return true; });
  EXPECT_EQ(result_of(g), expected);
  const DraftCounts counts = g.draft_counts();
  EXPECT_EQ(counts.accepted, counts.drafted);
  const int a_step = 1 + std::min(3, model.drafts->reach(3));
  EXPECT_EQ(counts.steps, (59 + a_step - 1) / a_step);
}

TEST_P(Drafts, CompanyChangesNoId) {
  Model model(GetParam().folder);
  const std::vector<Ids> prompts{{1}, {5, 6, 7, 8, 9, 10, 11}, {2, 2, 2}};
  std::vector<GenerateOptions> options;
  std::vector<Result> expected;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    options.push_back(options_for(0.5 * static_cast<double>(i), static_cast<int>(i) - 1));
    options[i].max_tokens = 20 + 10 * static_cast<int>(i);
    options[i].score_prompt = i == 1;
    expected.push_back(run(model, prompts[i], options[i]));
  }
  std::vector<Generation> all;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    all.emplace_back(model.context, *model.decoder, model.drafts.get(), prompts[i], options[i]);
  }
  std::vector<Generation*> batch;
  for (Generation& g : all) batch.push_back(&g);
  for (int step = 0; step < 50; ++step) advance(model.context, *model.decoder, batch);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_TRUE(all[i].finished());
    EXPECT_EQ(result_of(all[i]), expected[i]) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Drafts, testing::ValuesIn(cases_of("drafts")), case_name);

class Continued : public testing::TestWithParam<Case> {};

TEST_P(Continued, GreedyIdsAndScoresAreTheReferences) {
  const Golden golden(GetParam());
  Model model(GetParam().folder);
  const auto prompts = golden.prompts();
  for (std::size_t n = 0; n < prompts.size(); ++n) {
    const auto expected = golden.values<std::int32_t>("greedy." + std::to_string(n));
    const auto margins = golden.values<float>("greedy_margin." + std::to_string(n));
    const auto scores = golden.values<float>("scores." + std::to_string(n));
    GenerateOptions options;
    options.max_tokens = static_cast<std::int64_t>(expected.size());
    options.sampler.temperature = 0;
    options.score_prompt = true;
    const Result got = run(model, prompts[n], options);
    ASSERT_EQ(got.prompt_scores.size(), scores.size());
    for (std::size_t i = 0; i < scores.size(); ++i) EXPECT_NEAR(got.prompt_scores[i], scores[i], kTolerance);
    ASSERT_EQ(got.ids.size(), expected.size());
    for (std::size_t i = 0; i < expected.size() && margins[i] > 2 * kTolerance; ++i) {
      ASSERT_EQ(got.ids[i], expected[i]) << "sequence " << n << ", step " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Continued, testing::ValuesIn(cases_of("decoder")), case_name);

TEST(Generate, EndsWhereItShould) {
  Model model(small_model());
  GenerateOptions options;
  options.sampler.temperature = 0;
  options.max_tokens = 12;
  const Ids prompt{4, 2};
  const Ids all = run(model, prompt, options).ids;
  ASSERT_EQ(all.size(), 12);
  const auto first_of = [&](std::int32_t id) { return std::find(all.begin(), all.end(), id) - all.begin() + 1; };
  options.stops = {all[5]};
  Generation stopped(model.context, *model.decoder, nullptr, prompt, options);
  generate(model.context, *model.decoder, stopped, [](std::int32_t) { return true; });
  EXPECT_EQ(static_cast<std::ptrdiff_t>(stopped.generated().size()), first_of(all[5]));
  EXPECT_EQ(stopped.end(), Generation::End::stop);
  options.stops.clear();
  options.context = 5;
  EXPECT_EQ(run(model, prompt, options).ids, Ids(all.begin(), all.begin() + 3));
  options.context = 0;
  Generation told(model.context, *model.decoder, nullptr, prompt, options);
  int count = 0;
  generate(model.context, *model.decoder, told, [&](std::int32_t) { return ++count < 4; });
  EXPECT_EQ(told.generated().size(), 4);
  EXPECT_EQ(told.end(), Generation::End::stop);
  options.max_tokens = 0;
  EXPECT_TRUE(run(model, prompt, options).ids.empty());
}

// The message's advice holds: what it says fits does, and no id more.
TEST(Generate, StatesMemoryBeforeItIsTaken) {
  Model model(TESSERA_SOURCE_DIR "/tests/golden/drafts/mimo_v2_three_bf16");
  GenerateOptions options;
  options.context = 10000;
  options.max_tokens = 3000;
  options.guidance = {2, {1, 2}};
  const auto refusal = [&]() -> std::string {
    try {
      Generation(model.context, *model.decoder, model.drafts.get(), {1, 2, 3}, options);
    } catch (const InputError& error) {
      EXPECT_EQ(error.reason(), "too_large");
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal(), "");
  const std::int64_t needed = generation_bytes(*model.decoder, model.drafts.get(), 3, 1000, options);
  options.memory = needed;
  const std::string message = refusal();
  const std::string before = "at most ";
  ASSERT_NE(message.find(before), std::string::npos) << message;
  EXPECT_NE(message.find(std::to_string(needed) + " bytes"), std::string::npos) << message;
  const std::int64_t fit = std::stoll(message.substr(message.find(before) + before.size()));
  EXPECT_GE(fit, 1000);
  options.max_tokens = fit;
  EXPECT_EQ(refusal(), "");
  options.max_tokens = fit + 1;
  EXPECT_NE(refusal(), "");
  options.memory = 10;
  EXPECT_NE(refusal().find("shorten the prompt"), std::string::npos);
}

// What is said is what is taken when all has come, and less before.
TEST(Generate, CachesTakeWhatWasSaid) {
  for (const char* name : {"drafts/mimo_v2_three_bf16", "decoder/deepseek_v2_lite_bf16"}) {
    Model model(TESSERA_SOURCE_DIR "/tests/golden/" + std::string(name));
    Sequence sequence = model.decoder->start(model.context, 1000);
    const auto bytes = [&] {
      std::set<const Tensor*> counted;
      return sequence.bytes_beside(counted);
    };
    EXPECT_EQ(bytes(), 0);
    const Ids ids(500, 1);
    (void)model.decoder->forward(model.context, sequence, ids, LogitRows::last);
    EXPECT_LT(bytes(), Sequence::bytes(model.decoder->config(), 1000));
    (void)model.decoder->forward(model.context, sequence, ids, LogitRows::last);
    EXPECT_EQ(bytes(), Sequence::bytes(model.decoder->config(), 1000));
  }
}

TEST(Generate, RefusesBadPrompts) {
  Model model(small_model());
  const auto reason = [&](const Ids& prompt, std::int64_t room) -> std::string {
    GenerateOptions options;
    options.context = room;
    try {
      Generation(model.context, *model.decoder, nullptr, prompt, options);
    } catch (const InputError& error) {
      return error.reason();
    }
    return "";
  };
  EXPECT_EQ(reason({}, 0), "empty_prompt");
  EXPECT_EQ(reason({-1}, 0), "bad_ids");
  EXPECT_EQ(reason({1 << 30}, 0), "bad_ids");
  EXPECT_EQ(reason({1, 2, 3}, 2), "context_overflow");
  EXPECT_EQ(reason({1, 2, 3}, 3), "");
  EXPECT_EQ(reason(Ids(static_cast<std::size_t>(model.decoder->config().positions) + 1, 1), 0), "context_overflow");
}

// Steps take 1 s, drafts `price` each; drafts are accepted with the chances given.
double mean_speed(double price, const std::vector<double>& chances, int fixed, int steps = 20000) {
  DraftPacing pacing(static_cast<int>(chances.size()));
  std::uint32_t state = 1;
  double ids = 0;
  double seconds = 0;
  for (int i = 0; i < steps; ++i) {
    const int drafts = fixed >= 0 ? fixed : pacing.next(100);
    int accepted = 0;
    while (accepted < drafts) {
      state = state * 1664525 + 1013904223;
      if ((state >> 8) * 0x1p-24 >= chances[static_cast<std::size_t>(accepted)]) break;
      ++accepted;
    }
    const double took = 1 + price * drafts;
    pacing.record(drafts, accepted, took);
    ids += 1 + accepted;
    seconds += took;
  }
  return ids / seconds;
}

TEST(DraftPacing, TakesWhatPays) {
  const std::vector<double> good{0.9, 0.8, 0.7};
  EXPECT_GT(mean_speed(0.1, good, GenerateOptions::kAutomatic), 0.97 * mean_speed(0.1, good, 3));
  EXPECT_GT(mean_speed(0.1, good, GenerateOptions::kAutomatic, 300), 0.9 * mean_speed(0.1, good, 3));
  const std::vector<double> first_only{0.9, 0.02, 0.02};
  EXPECT_GT(mean_speed(0.2, first_only, GenerateOptions::kAutomatic), 0.97 * mean_speed(0.2, first_only, 1));
}

TEST(DraftPacing, StepsAsideWhenItDoesNotPay) {
  for (const double chance : {0.0, 0.1, 0.25}) {
    const std::vector<double> bad(3, chance);
    EXPECT_GT(mean_speed(0.5, bad, GenerateOptions::kAutomatic), 0.98 * mean_speed(0.5, bad, 0)) << chance;
  }
}

// A sequence that begins with what nobody foresees is not slow for good.
TEST(DraftPacing, ForgetsABadBeginning) {
  DraftPacing pacing(3);
  double ids = 0;
  double seconds = 0;
  for (int i = 0; i < 400; ++i) {
    const int drafts = pacing.next(100);
    const int accepted = i < 8 ? 0 : drafts;
    const double took = i == 0 ? 20 : 1 + 0.1 * drafts;  // the first step finds cold caches
    pacing.record(drafts, accepted, took);
    if (i >= 200) ids += 1 + accepted, seconds += took;
  }
  EXPECT_GT(ids / seconds, 0.95 * 4 / 1.3);
}

// Frames leave less room than the longest draft would take: the other lengths are tried all the same.
TEST(DraftPacing, LearnsInWhatRoomThereIs) {
  for (const bool pays : {true, false}) {
    DraftPacing pacing(6);
    int taken = 0;
    for (int i = 0; i < 300; ++i) {
      const int drafts = pacing.next(1 + i % 3);
      EXPECT_LE(drafts, 1 + i % 3);
      pacing.record(drafts, pays ? drafts : 0, 1 + 0.1 * drafts);
      if (i >= 100) taken += drafts;
    }
    if (pays) {
      EXPECT_GT(taken, 0.9 * 400);
    } else {
      EXPECT_LT(taken, 0.1 * 400);
    }
  }
}

// A source that seldom has anything to propose is taken at its word when it has.
TEST(DraftPacing, WaitsForProposals) {
  for (const bool pays : {true, false}) {
    DraftPacing pacing(4);
    int taken = 0;
    for (int i = 0; i < 4000; ++i) {
      const int asked = pacing.next(4);
      const int drafts = i % 10 == 0 ? asked : 0;
      pacing.record(drafts, pays ? drafts : 0, 1 + 0.1 * drafts);
      if (i >= 1000) taken += drafts;
    }
    if (pays) {
      EXPECT_GT(taken, 0.9 * 300 * 4);
    } else {
      EXPECT_LT(taken, 0.1 * 300 * 4);
    }
  }
}

TEST(DraftPacing, KeepsToTheRoom) {
  DraftPacing pacing(3);
  EXPECT_EQ(pacing.next(2), 2);
  EXPECT_EQ(pacing.next(0), 0);
  EXPECT_EQ(pacing.next(-1), 0);
  EXPECT_THROW(DraftPacing(-1), ArgumentError);
}

}  // namespace
}  // namespace tessera
