// Where drafts come from: what repeats, frames of audio, what a grammar forbids. No source changes an id.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "model/lookup.h"
#include "tests/model/continued.h"

namespace tessera {
namespace {

const std::string kGolden = TESSERA_SOURCE_DIR "/tests/golden/";

struct Drafted : Result {
  DraftCounts counts;
};

Drafted run(Model& model, const DraftSource* source, const Ids& prompt, const GenerateOptions& options) {
  Generation g(model.context, *model.decoder, source, prompt, options);
  generate(model.context, *model.decoder, g, [](std::int32_t) { return true; });
  return {result_of(g), g.draft_counts()};
}

GenerateOptions options_for(double temperature, int drafts, std::int64_t most) {
  GenerateOptions options;
  options.max_tokens = most;
  options.sampler.temperature = options.audio_sampler.temperature = temperature;
  options.log_probabilities = true;
  options.drafts = drafts;
  return options;
}

// By looking at everything.
std::int64_t follow_slowly(const Ids& ids) {
  const auto count = static_cast<std::int64_t>(ids.size());
  for (std::int64_t length = 4; length >= 2; --length) {
    for (std::int64_t end = count - 1; end >= length; --end) {
      if (std::equal(ids.end() - length, ids.end(), ids.begin() + end - length)) return end;
    }
  }
  return -1;
}

TEST(RunIndex, FindsTheLastPlaceOfTheLongestRun) {
  std::uint32_t state = 7;
  const auto random = [&](std::uint32_t below) { return ((state = state * 1664525 + 1013904223) >> 16) & (below - 1); };
  for (const std::uint32_t alphabet : {2U, 8U, 32U}) {
    RunIndex index;
    Ids ids;
    int found = 0;
    for (int i = 0; i < 400; ++i) {
      ids.push_back(static_cast<std::int32_t>(random(alphabet)));
      if (random(4) == 0) continue;  // several new ones at once
      const std::int64_t at = index.follow(ids);
      ASSERT_EQ(at, follow_slowly(ids)) << alphabet << ", " << i;
      found += at >= 0;
    }
    EXPECT_GT(found, 20);
  }
}

TEST(LookupDrafts, GoOnWithThemselves) {
  Context context(ContextOptions{Device{}, 1, {}});
  const auto drafter = LookupDrafts().start(context, 100);
  EXPECT_EQ(drafter->propose(context, Ids{9, 1, 2, 3, 1, 2}, 7, {}), (Ids{3, 1, 2, 3, 1, 2, 3}));
  EXPECT_TRUE(drafter->propose(context, Ids{9, 1, 2, 3, 1, 2, 4}, 7, {}).empty());
}

TEST(LookupDrafts, ChangeNoIdAndFindWhatRepeats) {
  const LookupDrafts lookup;
  for (const char* folder : {"decoder/llama_tied_f16", "decoder/qwen2_window_bf16", "drafts/longcat_flash_bf16"}) {
    Model model(kGolden + folder);
    const Ids prompt{3, 1, 4, 3, 1, 4, 3, 1};
    for (const double temperature : {0.0, 0.8}) {
      const Drafted expected = run(model, nullptr, prompt, options_for(temperature, 0, 120));
      for (const int drafts : {1, 4, GenerateOptions::kAutomatic}) {
        const Drafted got = run(model, &lookup, prompt, options_for(temperature, drafts, 120));
        EXPECT_EQ(got.ids, expected.ids) << folder << ", " << temperature << ", " << drafts;
        EXPECT_EQ(got.log_probabilities, expected.log_probabilities);
        std::printf("    %s, T %g, %d a step: %ld drafted, %ld accepted, %ld steps\n", folder, temperature, drafts,
                    static_cast<long>(got.counts.drafted), static_cast<long>(got.counts.accepted),
                    static_cast<long>(got.counts.steps));
        if (temperature == 0) {
          EXPECT_GT(got.counts.accepted, 0) << folder << ", " << drafts;
        }
      }
    }
  }
}

// Ids 0 … 39 are text; frames have six slots of seven codes each.
constexpr int kSlots = 6;
constexpr std::int32_t kBegin = 40;
constexpr std::int32_t kEnd = 41;

SequenceLayout audio_layout() {
  SequenceLayout layout;
  layout.text = {{0, 40}};
  AudioLayout audio;
  for (int level = 0; level < kSlots; ++level) audio.slots.push_back({level, 0, {42 + 7 * level, 7}, 0, -1});
  audio.begin = kBegin;
  audio.end = kEnd;
  layout.audio = audio;
  return layout;
}

Grammar grammar_behind(const SequenceLayout& layout, const Ids& prompt) {
  Grammar grammar(layout);
  for (const std::int32_t id : prompt) grammar.advance(id);
  return grammar;
}

TEST(Frames, LeftInAFrame) {
  const SequenceLayout layout = audio_layout();
  Grammar grammar(layout);
  EXPECT_EQ(grammar.frame_size(), kSlots);
  EXPECT_EQ(grammar.frame_left(), 0);
  grammar.advance(kBegin);
  for (int slot = 0; slot < 2 * kSlots; ++slot) {
    EXPECT_EQ(grammar.frame_left(), kSlots - slot % kSlots);
    grammar.advance(42 + 7 * (slot % kSlots));
  }
  grammar.advance(kEnd);
  EXPECT_EQ(grammar.frame_left(), 0);
}

class InFrames : public testing::TestWithParam<const char*> {};

TEST_P(InFrames, DraftsChangeNoId) {
  Model model(kGolden + GetParam());
  const LookupDrafts lookup;
  const SequenceLayout layout = audio_layout();
  const Ids prompt{5, 6, kBegin};
  for (const double temperature : {0.0, 1.0}) {
    GenerateOptions options = options_for(temperature, 0, 90);
    options.grammar = grammar_behind(layout, prompt);
    const Drafted expected = run(model, nullptr, prompt, options);
    for (const int drafts : {1, 2, 9, GenerateOptions::kAutomatic}) {
      options.drafts = drafts;
      for (const DraftSource* source :
           {static_cast<const DraftSource*>(model.drafts.get()), static_cast<const DraftSource*>(&lookup)}) {
        const Drafted got = run(model, source, prompt, options);
        EXPECT_EQ(got.ids, expected.ids) << temperature << ", " << drafts;
        EXPECT_EQ(got.log_probabilities, expected.log_probabilities);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, InFrames,
                         testing::Values("drafts/mimo_v2_three_bf16", "drafts/deepseek_v3_bf16",
                                         "drafts/longcat_flash_bf16"));

// Proposes what it is told to, and keeps what it was asked for.
class Scripted : public DraftSource {
 public:
  using Answer = std::function<Ids(std::span<const std::int32_t> ids, int count)>;
  explicit Scripted(Answer answer) : answer_(std::move(answer)) {}
  [[nodiscard]] int reach(int frame) const override { return frame > 0 ? frame : 2; }
  [[nodiscard]] bool reads_hidden() const override { return false; }
  [[nodiscard]] std::int64_t bytes(std::int64_t /*capacity*/) const override { return 0; }
  [[nodiscard]] std::unique_ptr<Drafter> start(Context& /*context*/, std::int64_t /*capacity*/) const override {
    return std::make_unique<Session>(answer_);
  }

 private:
  struct Session : Drafter {
    explicit Session(const Answer& a) : answer(a) {}
    void observe(Context& /*context*/, ConstMatrix /*hidden*/, std::span<const std::int32_t> /*ids*/) override {}
    std::vector<std::int32_t> propose(Context& /*context*/, std::span<const std::int32_t> ids, int count,
                                      const Pick& /*pick*/) override {
      return answer(ids, count);
    }
    const Answer& answer;
  };
  Answer answer_;
};

// A prompt behind which a clip of many frames comes.
Ids prompt_of_a_long_clip(Model& model, const SequenceLayout& layout, GenerateOptions options) {
  for (std::int32_t first = 0; first < 40; ++first) {
    const Ids prompt{first, kBegin};
    options.grammar = grammar_behind(layout, prompt);
    const Ids ids = run(model, nullptr, prompt, options).ids;
    if (std::find(ids.begin(), ids.end(), kEnd) - ids.begin() > 10 * kSlots) return prompt;
  }
  ADD_FAILURE() << "all clips are short";
  return {};
}

// With the truth drafted, a step begins in a frame and drafts to its end.
TEST(Frames, AreDraftedToTheirEnd) {
  Model model(kGolden + "drafts/deepseek_v3_bf16");
  const SequenceLayout layout = audio_layout();
  GenerateOptions options = options_for(0, 0, 100);
  const Ids prompt = prompt_of_a_long_clip(model, layout, options);
  options.grammar = grammar_behind(layout, prompt);
  const Drafted expected = run(model, nullptr, prompt, options);
  int asked_most = 0;
  const Scripted truth([&](std::span<const std::int32_t> ids, int count) {
    Grammar grammar = grammar_behind(layout, {ids.begin(), ids.end()});
    EXPECT_LE(count, grammar.frame_left() > 0 ? grammar.frame_left() : 2);
    asked_most = std::max(asked_most, count);
    const auto from = expected.ids.begin() + static_cast<std::ptrdiff_t>(ids.size() - prompt.size());
    return Ids(from, from + std::min<std::ptrdiff_t>(count, expected.ids.end() - from));
  });
  options.drafts = GenerateOptions::kAutomatic;
  const Drafted got = run(model, &truth, prompt, options);
  EXPECT_EQ(got.ids, expected.ids);
  EXPECT_EQ(asked_most, kSlots);
  EXPECT_EQ(got.counts.accepted, got.counts.drafted);
  EXPECT_EQ(got.counts.drafted_at.size(), static_cast<std::size_t>(kSlots));
}

// A chained layer goes on past what it drafts outside of frames; the layers of MiMo do not.
TEST(Frames, AChainReachesTheirEnd) {
  const SequenceLayout layout = audio_layout();
  const Ids prompt{5, kBegin};
  GenerateOptions options = options_for(0, GenerateOptions::kAutomatic, 100);
  options.grammar = grammar_behind(layout, prompt);
  Model chained(kGolden + "drafts/deepseek_v3_bf16");
  const auto places = run(chained, chained.drafts.get(), prompt, options).counts.drafted_at;
  ASSERT_EQ(places.size(), static_cast<std::size_t>(kSlots));
  EXPECT_GT(places[0], 0);
  Model layered(kGolden + "drafts/mimo_v2_three_bf16");
  EXPECT_EQ(run(layered, layered.drafts.get(), prompt, options).counts.drafted_at.size(), 3);
  EXPECT_EQ(chained.drafts->reach(5), 5);
  EXPECT_EQ(layered.drafts->reach(5), 3);
}

TEST(Frames, WhatTheGrammarForbidsIsNotDrafted) {
  Model model(kGolden + "drafts/deepseek_v3_bf16");
  const SequenceLayout layout = audio_layout();
  GenerateOptions options = options_for(0, 0, 100);
  const Ids prompt = prompt_of_a_long_clip(model, layout, options);
  options.grammar = grammar_behind(layout, prompt);
  const Ids expected = run(model, nullptr, prompt, options).ids;
  options.drafts = 4;
  // The truth, then the mark that begins a clip.
  const Scripted forbidden([&](std::span<const std::int32_t> ids, int count) {
    const bool in_frame = grammar_behind(layout, {ids.begin(), ids.end()}).frame_left() > 1 && count > 1;
    return in_frame ? Ids{expected[ids.size() - prompt.size()], kBegin, kBegin} : Ids{};
  });
  const Drafted got = run(model, &forbidden, prompt, options);
  EXPECT_EQ(got.ids, expected);
  EXPECT_GT(got.counts.drafted, 0);
  EXPECT_EQ(got.counts.accepted, got.counts.drafted);
}

constexpr DraftThresholds kCheap{0, 0};

// Whatever is drafted in 4 bits, what comes is the same.
TEST(NarrowDrafts, ChangeNoId) {
  for (const char* folder : {"drafts/mimo_v2_three_bf16", "drafts/deepseek_v3_bf16", "drafts/longcat_flash_bf16"}) {
    Model model(kGolden + folder);
    const auto narrow = load_drafts(model.context, kGolden + folder, *model.decoder, kCheap);
    EXPECT_TRUE(narrow->has_own_head());
    EXPECT_TRUE(narrow->drafts_likely_ids());
    EXPECT_FALSE(model.drafts->has_own_head());
    EXPECT_FALSE(model.drafts->drafts_likely_ids());
    for (const double temperature : {0.0, 0.8}) {
      const Ids prompt{5, 9, 2};
      const Drafted expected = run(model, nullptr, prompt, options_for(temperature, 0, 100));
      const Drafted exact = run(model, model.drafts.get(), prompt, options_for(temperature, 2, 100));
      const Drafted got = run(model, narrow.get(), prompt, options_for(temperature, 2, 100));
      EXPECT_EQ(got.ids, expected.ids) << folder << ", " << temperature;
      EXPECT_EQ(got.log_probabilities, expected.log_probabilities);
      EXPECT_GT(got.counts.drafted, 0);
      std::printf("    %s, T %g: of %ld drafted %ld accepted, by the exact layers of %ld %ld\n", folder, temperature,
                  static_cast<long>(got.counts.drafted), static_cast<long>(got.counts.accepted),
                  static_cast<long>(exact.counts.drafted), static_cast<long>(exact.counts.accepted));
    }
  }
}

// The likeliest draft behind every position of `ids`.
Ids first_drafts(Model& model, const DraftModel& source, const Ids& ids) {
  Sequence sequence = model.decoder->start(model.context, std::ssize(ids));
  const auto drafter = source.start(model.context, std::ssize(ids));
  const auto likeliest = [](std::span<const float> logits, std::int64_t) {
    const auto less = [](float a, float b) { return std::isnan(a) || a < b; };
    return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end(), less) - logits.begin());
  };
  Ids drafts;
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
    const Feed feed{&sequence, std::span(ids).subspan(i, 1)};
    Tensor hidden;
    (void)model.decoder->forward(model.context, std::span(&feed, 1), LogitRows::last, &hidden);
    const auto known = std::span(ids).first(i + 2);
    drafter->observe(model.context, hidden, known);
    drafts.push_back(drafter->propose(model.context, known, 1, {likeliest}).at(0));
  }
  return drafts;
}

// Random layers have no clear favourites, so that four bits change more drafts here than where layers were trained.
TEST(NarrowDrafts, AreMostlyTheExactOnes) {
  for (const char* folder : {"drafts/mimo_v2_three_bf16", "drafts/deepseek_v3_bf16", "drafts/longcat_flash_bf16"}) {
    Model model(kGolden + folder);
    const auto narrow = load_drafts(model.context, kGolden + folder, *model.decoder, kCheap);
    const Ids ids = run(model, nullptr, {5, 9, 2}, options_for(1, 0, 200)).ids;
    const Ids exact = first_drafts(model, *model.drafts, ids);
    const Ids got = first_drafts(model, *narrow, ids);
    int same = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) same += exact[i] == got[i];
    std::printf("    %s: %d of %zu\n", folder, same, exact.size());
    EXPECT_GT(same, std::ssize(exact) / 2) << folder;
  }
}

TEST(Sources, MixInABatch) {
  Model model(kGolden + "drafts/mimo_v2_three_bf16");
  const LookupDrafts lookup;
  const std::vector<const DraftSource*> sources{&lookup, model.drafts.get(), nullptr};
  const std::vector<Ids> prompts{{1, 2, 1, 2, 1}, {7, 7, 7}, {9}};
  std::vector<Generation> all;
  std::vector<Generation*> batch;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    all.emplace_back(model.context, *model.decoder, sources[i], prompts[i], options_for(0, 2, 40));
  }
  for (Generation& g : all) batch.push_back(&g);
  for (int step = 0; step < 45; ++step) advance(model.context, *model.decoder, batch);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Ids alone = run(model, nullptr, prompts[i], options_for(0, 0, 40)).ids;
    EXPECT_EQ(Ids(all[i].generated().begin(), all[i].generated().end()), alone) << i;
  }
}

}  // namespace
}  // namespace tessera
