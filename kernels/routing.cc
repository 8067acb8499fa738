#include "kernels/routing.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "kernels/cuda/twins.h"
#include "kernels/error.h"

namespace tessera {
namespace {

constexpr float kLeast = -std::numeric_limits<float>::infinity();

// The `count` largest values by index, ties to the lowest index; in ascending order of the index.
std::vector<std::int32_t> largest(std::span<const float> values, int count) {
  std::vector<std::int32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  const auto value = [&](std::int32_t i) { return values[static_cast<std::size_t>(i)]; };
  const auto before = [&](std::int32_t a, std::int32_t b) {
    return value(a) > value(b) || (value(a) == value(b) && a < b);
  };
  std::partial_sort(order.begin(), order.begin() + count, order.end(), before);
  order.resize(static_cast<std::size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}

float two_best(std::span<const float> values) {
  float best = kLeast;
  float second = kLeast;
  for (const float v : values) {
    second = std::max(second, std::min(best, v));
    best = std::max(best, v);
  }
  return best + second;
}

float score_of_group(const Routing& routing, std::span<const float> values) {
  if (routing.group_score == Routing::GroupScore::best) return *std::max_element(values.begin(), values.end());
  return two_best(values);
}

// Hides the experts outside the best groups.
void keep_best_groups(const Routing& routing, std::span<float> scores) {
  if (routing.groups == routing.chosen_groups) return;
  const std::size_t size = scores.size() / static_cast<std::size_t>(routing.groups);
  std::vector<float> of_group;
  for (std::size_t at = 0; at < scores.size(); at += size) {
    of_group.push_back(score_of_group(routing, scores.subspan(at, size)));
  }
  const auto kept = largest(of_group, routing.chosen_groups);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!std::binary_search(kept.begin(), kept.end(), static_cast<std::int32_t>(i / size))) scores[i] = kLeast;
  }
}

std::vector<std::int32_t> chosen(const Routing& routing, std::span<const float> scores, const float* bias) {
  std::vector<float> biased(scores.begin(), scores.end());
  for (std::size_t i = 0; bias != nullptr && i < biased.size(); ++i) biased[i] += bias[i];
  for (float& score : biased) score = score == score ? score : kLeast;
  keep_best_groups(routing, biased);
  return largest(biased, routing.chosen);
}

void check(const Routing& r, ConstMatrix scores) {
  const bool counts = r.chosen >= 1 && r.chosen <= r.experts && r.chosen_groups >= 1 && r.chosen_groups <= r.groups;
  if (!counts || r.experts % r.groups != 0) throw ArgumentError("choose_experts: numbers of experts or groups are off");
  if (scores.columns != r.experts) throw ArgumentError("choose_experts: a score an expert");
}

}  // namespace

void choose_experts(const Routing& routing, const float* scores, const float* bias, std::int32_t* experts,
                    float* weights) {
  const auto taken = chosen(routing, {scores, static_cast<std::size_t>(routing.experts)}, bias);
  float sum = 0.0F;
  for (const std::int32_t e : taken) sum += scores[e];
  for (const std::int32_t e : taken) {
    *experts++ = e;
    *weights++ = (routing.renormalise ? scores[e] / (sum + 1e-20F) : scores[e]) * routing.weight_scale;
  }
}

void choose_experts(Context& context, const Routing& routing, ConstMatrix scores, const float* bias,
                    std::int32_t* experts, float* weights) {
  check(routing, scores);
  if (context.device().is_cuda()) {
    const Tensor work = context.scratch({scores.rows, 2 * std::int64_t{routing.experts + routing.groups}});
    return cuda::choose_experts({routing, scores, bias, experts, weights, work});
  }
  for (std::int64_t row = 0; row < scores.rows; ++row) {
    choose_experts(routing, scores.row(row), bias, experts + row * routing.chosen, weights + row * routing.chosen);
  }
}

}  // namespace tessera
