// Drawing ids: what may be drawn, how often, and that it depends on nothing else.

#include "model/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "kernels/error.h"

namespace tessera {
namespace {

const std::vector<float> kLogits{1.0F, 3.0F, -2.0F, 3.0F, 0.5F, 2.0F};

std::vector<double> softmax(const std::vector<float>& logits, double temperature) {
  std::vector<double> out;
  double sum = 0;
  for (const float logit : logits) sum += out.emplace_back(std::exp(logit / temperature));
  for (double& p : out) p /= sum;
  return out;
}

std::set<std::int32_t> drawn(const SamplerOptions& options, int times = 3000) {
  const Sampler sampler(options);
  std::set<std::int32_t> ids;
  for (int i = 0; i < times; ++i) ids.insert(sampler.draw(kLogits, i, {}));
  return ids;
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  SamplerOptions options;
  options.temperature = 0;
  EXPECT_EQ(drawn(options), (std::set<std::int32_t>{1}));
}

TEST(Sampler, FrequenciesAreTheSoftmax) {
  for (const double temperature : {0.7, 1.0, 3.0}) {
    SamplerOptions options;
    options.temperature = temperature;
    options.seed = 11;
    const Sampler sampler(options);
    constexpr int kDraws = 40000;
    std::vector<int> counts(kLogits.size());
    for (int i = 0; i < kDraws; ++i) ++counts[static_cast<std::size_t>(sampler.draw(kLogits, i, {}))];
    const auto expected = softmax(kLogits, temperature);
    double chi = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const double mean = expected[i] * kDraws;
      chi += (counts[i] - mean) * (counts[i] - mean) / mean;
    }
    EXPECT_LT(chi, 20.5) << temperature;  // five degrees of freedom: one in a thousand is above
  }
}

TEST(Sampler, NoiseIsOfSeedPositionAndId) {
  SamplerOptions options;
  const Sampler a(options);
  options.seed = 1;
  const Sampler b(options);
  int other_seed = 0;
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(a.draw(kLogits, i, {}), a.draw(kLogits, i, {}));
    other_seed += a.draw(kLogits, i, {}) != b.draw(kLogits, i, {}) ? 1 : 0;
    // Ids that are out of the question change nothing about the others.
    const std::vector<IdRange> parts{{3, 3}, {0, 3}};
    EXPECT_EQ(a.draw(kLogits, i, {}), a.draw(kLogits, i, {}, parts));
  }
  EXPECT_GT(other_seed, 50);
}

// By logarithms of every id's number, and without the sampler's shortcuts.
TEST(Sampler, DrawsTheLargestOfAllNoises) {
  const auto mixed = [](std::uint64_t key, std::uint64_t value) {
    std::uint64_t x = key + 0x9e3779b97f4a7c15U * (value + 1);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
  };
  SamplerOptions options;
  options.seed = 11;
  for (const float spread : {0.0F, 0.5F, 4.0F}) {
    std::vector<float> logits(700);
    for (std::size_t i = 0; i < logits.size(); ++i) {
      logits[i] = spread * static_cast<float>(mixed(1, i) >> 40) * 0x1p-24F;
    }
    for (std::int64_t position = 0; position < 200; ++position) {
      const std::uint64_t key = mixed(mixed(0, 11), static_cast<std::uint64_t>(position));
      std::vector<double> values;
      for (std::size_t id = 0; id < logits.size(); ++id) {
        const double uniform = (static_cast<double>(mixed(key, id) >> 11) + 0.5) * 0x1p-53;
        values.push_back(logits[id] - std::log(-std::log(uniform)));
      }
      const auto best = std::max_element(values.begin(), values.end()) - values.begin();
      ASSERT_EQ(Sampler(options).draw(logits, position, {}), best) << spread << ", " << position;
    }
  }
}

TEST(Sampler, KeepsTheLikeliest) {
  SamplerOptions options;
  options.temperature = 4;
  options.top_k = 2;
  EXPECT_EQ(drawn(options), (std::set<std::int32_t>{1, 3}));
  options.top_k = 1;
  EXPECT_EQ(drawn(options), (std::set<std::int32_t>{1}));
  options.top_k = 0;
  // Probabilities at temperature 1: .38 .38 .14 .05 .03 .003.
  options.temperature = 1;
  options.top_p = 0.37;
  EXPECT_EQ(drawn(options), (std::set<std::int32_t>{1}));
  options.top_p = 0.8;
  EXPECT_EQ(drawn(options), (std::set<std::int32_t>{1, 3, 5}));
  options.top_p = 1;
  options.min_p = 0.1;
  EXPECT_EQ(drawn(options), (std::set<std::int32_t>{0, 1, 3, 5}));
  options.top_k = 3;
  options.top_p = 0.5;
  EXPECT_EQ(drawn(options), (std::set<std::int32_t>{1, 3}));
}

TEST(Sampler, PenaltiesChangeLogits) {
  SamplerOptions options;
  options.temperature = 0;
  options.repetition_penalty = 2;
  IdCounts counts;
  counts.prompt[1] = 1;
  EXPECT_EQ(Sampler(options).draw(kLogits, 0, counts), 3);
  counts.generated[3] = 1;
  EXPECT_EQ(Sampler(options).draw(kLogits, 0, counts), 5);
  options.repetition_penalty = 1;
  options.presence_penalty = 0.5;
  EXPECT_EQ(Sampler(options).draw(kLogits, 0, counts), 1);
  counts.generated[1] = 3;
  EXPECT_EQ(Sampler(options).draw(kLogits, 0, counts), 1) << "presence counts once: a tie, to the lowest";
  options.frequency_penalty = 0.4;
  EXPECT_EQ(Sampler(options).draw(kLogits, 0, counts), 3);
  const std::vector<float> negative{-1.0F, -1.5F};
  options = {};
  options.temperature = 0;
  options.repetition_penalty = 2;
  counts = {};
  counts.prompt[0] = 1;
  EXPECT_EQ(Sampler(options).draw(negative, 0, counts), 1);
}

TEST(Sampler, OnlyWhatMayCome) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> logits{std::nanf(""), -infinity, 0.0F, 1.0F};
  for (const double temperature : {0.0, 1.0}) {
    SamplerOptions options;
    options.temperature = temperature;
    const Sampler sampler(options);
    const std::vector<IdRange> allowed{{0, 3}};
    for (int i = 0; i < 50; ++i) EXPECT_EQ(sampler.draw(logits, i, {}, allowed), 2);
    const std::vector<IdRange> nothing{{0, 2}};
    EXPECT_THROW((void)sampler.draw(logits, 0, {}, nothing), ArgumentError);
  }
}

TEST(Sampler, RefusesOptionsOutOfRange) {
  const auto refuses = [](auto change) {
    SamplerOptions options;
    change(options);
    EXPECT_THROW(Sampler{options}, ArgumentError);
  };
  refuses([](SamplerOptions& o) { o.temperature = -1; });
  refuses([](SamplerOptions& o) { o.temperature = std::nan(""); });
  refuses([](SamplerOptions& o) { o.top_k = -1; });
  refuses([](SamplerOptions& o) { o.top_p = 0; });
  refuses([](SamplerOptions& o) { o.min_p = 1.5; });
  refuses([](SamplerOptions& o) { o.repetition_penalty = 0; });
}

TEST(Sampler, LogProbability) {
  const auto expected = softmax(kLogits, 1);
  for (std::size_t i = 0; i < kLogits.size(); ++i) {
    EXPECT_NEAR(log_probability(kLogits, static_cast<std::int32_t>(i)), std::log(expected[i]), 1e-12);
  }
}

}  // namespace
}  // namespace tessera
