#pragma once

#include <cstdint>

#include "kernels/context.h"

namespace tessera {

/// How a router's scores choose a token's experts.
struct Routing {
  enum class GroupScore : std::uint8_t { two_best, best };
  int experts = 0;
  int chosen = 0;            ///< experts a token
  bool renormalise = false;  ///< weights of the chosen are divided by their sum
  float weight_scale = 1.0F;
  int groups = 1;  ///< neighbouring experts; only the best `chosen_groups` groups are eligible
  int chosen_groups = 1;
  GroupScore group_score = GroupScore::two_best;  ///< what groups are judged by: a sum, or the best expert
};

/// For each row of `scores` [tokens, experts], the softmax or sigmoid of a router's logits; `bias` is [experts] or
/// null. choice score = score + bias; with groups, those count whose two best choice scores sum to most, or whose best
/// one is largest; the experts with the largest choice scores are taken, ties to the lowest index. weight = score of a
/// taken one, divided by (their sum in ascending order of experts + 1e-20) when `renormalise`, times weight_scale. A
/// choice score that is NaN counts as -infinity. `experts` and `weights` are [tokens, chosen], a token's experts
/// ascending. All lies on the context's device. Throws ArgumentError for a routing that cannot be.
void choose_experts(Context& context, const Routing& routing, ConstMatrix scores, const float* bias,
                    std::int32_t* experts, float* weights);

/// One token's, on the host.
void choose_experts(const Routing& routing, const float* scores, const float* bias, std::int32_t* experts,
                    float* weights);

}  // namespace tessera
