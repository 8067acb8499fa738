#include "kernels/routing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/error.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

constexpr float kLeast = -std::numeric_limits<float>::infinity();

// Takes the best one, again and again.
std::vector<int> best(std::vector<float> values, int count) {
  std::vector<int> taken;
  for (int k = 0; k < count; ++k) {
    int at = -1;
    for (int i = 0; i < static_cast<int>(values.size()); ++i) {
      const bool free = std::find(taken.begin(), taken.end(), i) == taken.end();
      if (free && (at < 0 || values[i] > values[at])) at = i;
    }
    taken.push_back(at);
  }
  std::sort(taken.begin(), taken.end());
  return taken;
}

// A token's experts, then their weights.
std::vector<float> rule(const Routing& r, const float* scores, const std::vector<float>& bias) {
  std::vector<float> choice(scores, scores + r.experts);
  for (int i = 0; i < r.experts; ++i) {
    if (!bias.empty()) choice[i] += bias[i];
    if (std::isnan(choice[i])) choice[i] = kLeast;
  }
  const int size = r.experts / r.groups;
  std::vector<float> judged;
  for (int g = 0; g < r.groups; ++g) {
    std::vector<float> group(choice.begin() + g * size, choice.begin() + (g + 1) * size);
    group.push_back(kLeast);
    std::sort(group.rbegin(), group.rend());
    judged.push_back(r.group_score == Routing::GroupScore::best ? group[0] : group[0] + group[1]);
  }
  const auto kept = best(judged, r.chosen_groups);
  for (int i = 0; i < r.experts; ++i) {
    if (std::find(kept.begin(), kept.end(), i / size) == kept.end()) choice[i] = kLeast;
  }
  const auto taken = best(choice, r.chosen);
  std::vector<float> out(taken.begin(), taken.end());
  float sum = 0;
  for (const int e : taken) sum += scores[e];
  for (const int e : taken) out.push_back((r.renormalise ? scores[e] / (sum + 1e-20F) : scores[e]) * r.weight_scale);
  return out;
}

Routing random_routing(Random& random) {
  Routing r;
  r.groups = static_cast<int>(random.integer(1, 6));
  r.chosen_groups = static_cast<int>(random.integer(1, r.groups));
  const auto size = static_cast<int>(random.integer(1, random.coin() ? 8 : 70));
  r.experts = r.groups * size;
  r.chosen = static_cast<int>(random.integer(1, std::min(12, r.experts)));
  r.renormalise = random.coin();
  r.weight_scale = random.coin() ? 1.0F : 2.5F;
  r.group_score = random.coin() ? Routing::GroupScore::best : Routing::GroupScore::two_best;
  return r;
}

void check(const Routing& r, std::int64_t tokens, Random& random) {
  // Few values, so that there are ties; and some that are no numbers.
  std::vector<float> scores = random.floats(tokens * r.experts);
  for (float& score : scores) {
    if (random.coin()) score = static_cast<float>(random.integer(0, 3)) / 4;
    if (random.integer(0, 40) == 0) score = std::numeric_limits<float>::quiet_NaN();
  }
  const auto bias = random.coin() ? random.floats(r.experts) : std::vector<float>{};
  std::vector<float> ids;
  std::vector<float> weights;
  for (std::int64_t t = 0; t < tokens; ++t) {
    const auto both = rule(r, scores.data() + t * r.experts, bias);
    ids.insert(ids.end(), both.begin(), both.begin() + r.chosen);
    weights.insert(weights.end(), both.begin() + r.chosen, both.end());
  }
  const std::string name = "choose_experts " + to_string({tokens, r.experts, r.chosen, r.groups, r.chosen_groups});
  expect_bits(name, weights, [&](Probe& p) {
    const ConstMatrix s = p.input(scores, tokens, r.experts);
    const float* b = bias.empty() ? nullptr : p.input(bias);
    std::int32_t* experts = p.int_output(tokens * r.chosen);
    const Matrix out = p.output(tokens, r.chosen);
    const auto run = [=, &p, &ids] {
      choose_experts(p.context(), r, s, b, experts, out.data);
      const auto got = p.read(experts, tokens * r.chosen);
      EXPECT_EQ(std::vector<float>(got.begin(), got.end()), ids);
    };
    return Prepared{run, out};
  });
}

TEST(Routing, EveryBackendFollowsTheRule) {
  Random random(71);
  for (int i = 0; i < tries(60); ++i) check(random_routing(random), random.integer(0, 5), random);
}

TEST(Routing, Speed) {
  if (!benchmarking()) return;
  Random random(72);
  Routing deepseek;
  deepseek.experts = 256;
  deepseek.chosen = 8;
  deepseek.groups = 8;
  deepseek.chosen_groups = 4;
  check(deepseek, 16, random);
}

TEST(Routing, RefusesWhatCannotBe) {
  Context context;
  const Tensor scores = context.allocate({1, 4});
  std::int32_t experts[4];
  float weights[4];
  const auto refuses = [&](int count, int chosen, int groups, int chosen_groups) {
    Routing r;
    r.experts = count;
    r.chosen = chosen;
    r.groups = groups;
    r.chosen_groups = chosen_groups;
    EXPECT_THROW(choose_experts(context, r, scores, nullptr, experts, weights), ArgumentError);
  };
  refuses(4, 0, 1, 1);
  refuses(4, 5, 1, 1);
  refuses(4, 2, 3, 1);
  refuses(4, 2, 2, 3);
  refuses(5, 2, 1, 1);
}

}  // namespace
}  // namespace tessera::harness
