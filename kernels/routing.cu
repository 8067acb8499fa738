// The choice of experts, a block a token. What is taken is decided by ranks: how many others come before.

#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

struct ChooseExperts {
  static constexpr int kThreads = 256;
  struct Shared {};
  RoutingJob job;

  // A token's part of the work memory.
  struct Work {
    float* choice;  // [experts]: choice scores
    float* taken;   // [experts]: 1 where taken
    float* judged;  // [groups]
    float* kept;    // [groups]: 1 where kept
  };

  template <class B>
  TESSERA_DEVICE void operator()(B& block, Shared&) const {
    const Routing& r = job.routing;
    const float* scores = job.scores.data + block.index * job.scores.row_step;
    const Work work = work_of(block.index);
    block.each([&](int t) {
      for (int i = t; i < r.experts; i += kThreads) work.choice[i] = choice_score(scores[i], i);
    });
    if (r.groups != r.chosen_groups) keep_best_groups(block, work);
    block.each([&](int t) { mark(work.choice, r.experts, r.chosen, work.taken, t); });
    std::int32_t* experts = job.experts + block.index * r.chosen;
    block.each([&](int t) {
      for (int i = t; i < r.experts; i += kThreads) {
        if (work.taken[i] != 0.0F) experts[before(work.taken, i)] = i;
      }
    });
    block.each([&](int t) {
      if (t == 0) weigh(scores, experts, job.weights + block.index * r.chosen);
    });
  }

  TESSERA_DEVICE Work work_of(std::int64_t token) const {
    float* at = job.work.data + token * job.work.row_step;
    return {at, at + job.routing.experts, at + 2 * job.routing.experts,
            at + 2 * job.routing.experts + job.routing.groups};
  }

  TESSERA_DEVICE float choice_score(float score, int expert) const {
    const float choice = job.bias == nullptr ? score : score + job.bias[expert];
    return choice == choice ? choice : -HUGE_VALF;
  }

  template <class B>
  TESSERA_DEVICE void keep_best_groups(B& block, const Work& work) const {
    const Routing& r = job.routing;
    const int size = r.experts / r.groups;
    block.each([&](int t) {
      for (int g = t; g < r.groups; g += kThreads) work.judged[g] = judge(work.choice + g * size, size);
    });
    block.each([&](int t) { mark(work.judged, r.groups, r.chosen_groups, work.kept, t); });
    block.each([&](int t) {
      for (int i = t; i < r.experts; i += kThreads) {
        if (work.kept[i / size] == 0.0F) work.choice[i] = -HUGE_VALF;
      }
    });
  }

  TESSERA_DEVICE float judge(const float* values, int count) const {
    float best = -HUGE_VALF;
    float second = -HUGE_VALF;
    for (int i = 0; i < count; ++i) {
      const float lesser = values[i] < best ? values[i] : best;
      second = lesser > second ? lesser : second;
      best = values[i] > best ? values[i] : best;
    }
    return job.routing.group_score == Routing::GroupScore::best ? best : best + second;
  }

  // 1 for the `most` largest of `count` values, ties to the lowest index.
  TESSERA_DEVICE static void mark(const float* values, int count, int most, float* marks, int t) {
    for (int i = t; i < count; i += kThreads) {
      int rank = 0;
      for (int j = 0; j < count; ++j) rank += values[j] > values[i] || (values[j] == values[i] && j < i) ? 1 : 0;
      marks[i] = rank < most ? 1.0F : 0.0F;
    }
  }

  TESSERA_DEVICE static int before(const float* marks, int i) {
    int count = 0;
    for (int j = 0; j < i; ++j) count += marks[j] != 0.0F ? 1 : 0;
    return count;
  }

  TESSERA_DEVICE void weigh(const float* scores, const std::int32_t* experts, float* weights) const {
    const Routing& r = job.routing;
    float sum = 0.0F;
    for (int j = 0; j < r.chosen; ++j) sum = sum + scores[experts[j]];
    for (int j = 0; j < r.chosen; ++j) {
      const float score = scores[experts[j]];
      weights[j] = (r.renormalise ? score / (sum + 1e-20F) : score) * r.weight_scale;
    }
  }
};

}  // namespace

void choose_experts(const RoutingJob& job) { launch(ChooseExperts{job}, job.scores.rows); }

}  // namespace tessera::cuda
