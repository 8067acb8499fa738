// Which experts are chosen, and what they weigh.

#include "model/mixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tessera {
namespace {

using Experts = std::vector<std::int32_t>;
using Weights = std::vector<float>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

DecoderMixture mixture(int experts, int chosen) {
  DecoderMixture m;
  m.experts = experts;
  m.chosen = chosen;
  return m;
}

DecoderMixture grouped(int experts, int chosen, int groups, int chosen_groups) {
  DecoderMixture m = mixture(experts, chosen);
  m.groups = groups;
  m.chosen_groups = chosen_groups;
  return m;
}

TEST(ChooseExperts, TakesTheLargestInAscendingOrder) {
  const Weights scores{0.1F, 0.4F, 0.2F, 0.3F};
  const ExpertChoice choice = choose_experts(mixture(4, 2), scores, {});
  EXPECT_EQ(choice.experts, (Experts{1, 3}));
  EXPECT_EQ(choice.weights, (Weights{0.4F, 0.3F}));
}

TEST(ChooseExperts, TiesGoToTheLowestIndex) {
  const Weights scores{0.25F, 0.5F, 0.25F, 0.25F, 0.5F};
  EXPECT_EQ(choose_experts(mixture(5, 1), scores, {}).experts, (Experts{1}));
  EXPECT_EQ(choose_experts(mixture(5, 3), scores, {}).experts, (Experts{0, 1, 4}));
  EXPECT_EQ(choose_experts(mixture(5, 4), scores, {}).experts, (Experts{0, 1, 2, 4}));
}

TEST(ChooseExperts, RowsAreChosenForAlone) {
  const Weights scores{0.1F, 0.7F, 0.2F, 0.6F, 0.3F, 0.1F};
  const ExpertChoice choice = choose_experts(mixture(3, 2), scores, {});
  EXPECT_EQ(choice.experts, (Experts{1, 2, 0, 1}));
  EXPECT_EQ(choice.weights, (Weights{0.7F, 0.2F, 0.6F, 0.3F}));
}

TEST(ChooseExperts, ABiasCountsForTheChoiceOnly) {
  const Weights scores{0.5F, 0.25F, 0.125F};
  const Weights bias{-0.5F, 0.0F, 1.0F};
  const ExpertChoice choice = choose_experts(mixture(3, 2), scores, bias);
  EXPECT_EQ(choice.experts, (Experts{1, 2}));
  EXPECT_EQ(choice.weights, (Weights{0.25F, 0.125F}));
}

TEST(ChooseExperts, WeightsAreDividedByTheirSumThenScaled) {
  DecoderMixture m = mixture(3, 2);
  m.weight_scale = 3.0F;
  const Weights scores{0.5F, 0.25F, 0.25F};
  EXPECT_EQ(choose_experts(m, scores, {}).weights, (Weights{1.5F, 0.75F}));
  m.renormalise = true;
  EXPECT_EQ(choose_experts(m, scores, {}).weights, (Weights{0.5F / 0.75F * 3.0F, 0.25F / 0.75F * 3.0F}));
}

TEST(ChooseExperts, ScoresOfZeroGiveWeightsOfZero) {
  DecoderMixture m = mixture(3, 2);
  m.renormalise = true;
  const Weights scores(3, 0.0F);
  const ExpertChoice choice = choose_experts(m, scores, {});
  EXPECT_EQ(choice.experts, (Experts{0, 1}));
  EXPECT_EQ(choice.weights, (Weights{0.0F, 0.0F}));
}

TEST(ChooseExperts, ANanIsTakenLast) {
  const Weights scores{kNan, 0.1F, kNan, 0.2F};
  EXPECT_EQ(choose_experts(mixture(4, 2), scores, {}).experts, (Experts{1, 3}));
  const ExpertChoice choice = choose_experts(mixture(4, 3), scores, {});
  EXPECT_EQ(choice.experts, (Experts{0, 1, 3}));
  EXPECT_TRUE(std::isnan(choice.weights[0]));
  const Weights bias{0.0F, kNan, 0.0F, 0.0F};
  EXPECT_EQ(choose_experts(mixture(4, 1), scores, bias).experts, (Experts{3}));
}

TEST(ChooseExperts, NansAloneStillGiveDifferentExperts) {
  const Weights scores(6, kNan);
  EXPECT_EQ(choose_experts(mixture(6, 3), scores, {}).experts, (Experts{0, 1, 2}));
  EXPECT_EQ(choose_experts(grouped(6, 3, 3, 2), scores, {}).experts, (Experts{0, 1, 2}));
}

// The first group has the best expert, the second the best two, the third the third best expert.
const Weights kGroups{0.9F, 0.1F, 0.6F, 0.5F, 0.7F, 0.0F};

TEST(ChooseExperts, GroupsAreJudgedByTheirTwoBest) {
  const DecoderMixture m = grouped(6, 2, 3, 1);
  EXPECT_EQ(choose_experts(m, kGroups, {}).experts, (Experts{2, 3}));
  EXPECT_EQ(choose_experts(grouped(6, 3, 3, 2), kGroups, {}).experts, (Experts{0, 2, 3}));
}

TEST(ChooseExperts, OrByTheirBest) {
  DecoderMixture m = grouped(6, 2, 3, 1);
  m.group_score = DecoderMixture::GroupScore::best;
  EXPECT_EQ(choose_experts(m, kGroups, {}).experts, (Experts{0, 1}));
  m.chosen_groups = 2;
  EXPECT_EQ(choose_experts(m, kGroups, {}).experts, (Experts{0, 4}));
}

TEST(ChooseExperts, ABiasMovesGroups) {
  const DecoderMixture m = grouped(6, 2, 3, 1);
  const Weights bias{0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 1.0F};
  const ExpertChoice choice = choose_experts(m, kGroups, bias);
  EXPECT_EQ(choice.experts, (Experts{4, 5}));
  EXPECT_EQ(choice.weights, (Weights{0.7F, 0.0F}));
}

TEST(ChooseExperts, TiesOfGroupsGoToTheLowestIndex) {
  const Weights scores{0.25F, 0.25F, 0.5F, 0.0F, 0.125F, 0.375F};
  EXPECT_EQ(choose_experts(grouped(6, 2, 3, 1), scores, {}).experts, (Experts{0, 1}));
  EXPECT_EQ(choose_experts(grouped(6, 3, 3, 2), scores, {}).experts, (Experts{0, 1, 2}));
}

TEST(ChooseExperts, AGroupWithANanIsTakenLast) {
  const Weights scores{0.9F, kNan, 0.1F, 0.2F, 0.3F, 0.1F};
  EXPECT_EQ(choose_experts(grouped(6, 2, 3, 1), scores, {}).experts, (Experts{4, 5}));
  EXPECT_EQ(choose_experts(grouped(6, 2, 3, 2), scores, {}).experts, (Experts{3, 4}));
}

TEST(ChooseExperts, AllGroupsAreNoGroups) {
  EXPECT_EQ(choose_experts(grouped(6, 3, 3, 3), kGroups, {}).experts,
            choose_experts(mixture(6, 3), kGroups, {}).experts);
}

}  // namespace
}  // namespace tessera
