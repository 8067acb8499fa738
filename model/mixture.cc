#include "model/mixture.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/softmax.h"

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

float score_of_group(const DecoderMixture& config, std::span<const float> values) {
  if (config.group_score == DecoderMixture::GroupScore::best) return *std::max_element(values.begin(), values.end());
  return two_best(values);
}

// Hides the experts outside the best groups.
void keep_best_groups(const DecoderMixture& config, std::span<float> scores) {
  if (config.groups == config.chosen_groups) return;
  const std::size_t size = scores.size() / static_cast<std::size_t>(config.groups);
  std::vector<float> of_group;
  for (std::size_t at = 0; at < scores.size(); at += size) {
    of_group.push_back(score_of_group(config, scores.subspan(at, size)));
  }
  const auto kept = largest(of_group, config.chosen_groups);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!std::binary_search(kept.begin(), kept.end(), static_cast<std::int32_t>(i / size))) scores[i] = kLeast;
  }
}

// The experts of one token.
std::vector<std::int32_t> choose_row(const DecoderMixture& config, std::span<const float> scores,
                                     std::span<const float> bias) {
  std::vector<float> biased(scores.begin(), scores.end());
  for (std::size_t i = 0; i < bias.size(); ++i) biased[i] += bias[i];
  for (float& score : biased) score = score == score ? score : kLeast;
  keep_best_groups(config, biased);
  return largest(biased, config.chosen);
}

void append_weights(const DecoderMixture& config, std::span<const float> scores, std::span<const std::int32_t> experts,
                    std::vector<float>& weights) {
  float sum = 0.0F;
  for (const std::int32_t e : experts) sum += scores[static_cast<std::size_t>(e)];
  for (const std::int32_t e : experts) {
    const float score = scores[static_cast<std::size_t>(e)];
    weights.push_back((config.renormalise ? score / (sum + 1e-20F) : score) * config.weight_scale);
  }
}

// Rows in the order in which experts take them: expert by expert, the rows of one ascending.
struct Dispatch {
  Dispatch(const ExpertChoice& choice, int experts, int chosen)
      : first(static_cast<std::size_t>(experts) + 1), slots(choice.experts.size()), rows(choice.experts.size()) {
    for (const std::int32_t e : choice.experts) ++first[static_cast<std::size_t>(e) + 1];
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::vector<std::int32_t> next(first.begin(), first.end() - 1);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      slots[i] = next[static_cast<std::size_t>(choice.experts[i])]++;
      rows[static_cast<std::size_t>(slots[i])] = static_cast<std::int32_t>(i / static_cast<std::size_t>(chosen));
    }
  }
  std::vector<std::int32_t> first;  // [experts + 1], where an expert's slots begin
  std::vector<std::int32_t> slots;  // of a token's chosen experts, [tokens, chosen]
  std::vector<std::int32_t> rows;   // of each slot
};

template <class T>
Tensor uploaded(Context& context, const std::vector<T>& values, DType type) {
  Tensor tensor = context.scratch({static_cast<std::int64_t>(values.size())}, type);
  context.upload(values.data(), tensor.bytes(), values.size() * sizeof(T));
  return tensor;
}

std::vector<GatedMlp> load_experts(Context& context, Checkpoint& checkpoint, const std::string& prefix,
                                   const DecoderMixture& config, const DecoderConfig& decoder) {
  std::vector<GatedMlp> experts;
  const int count = config.experts - config.identities;
  experts.reserve(static_cast<std::size_t>(count));
  for (int e = 0; e < count; ++e) {
    experts.emplace_back(context, checkpoint, prefix + "experts." + std::to_string(e) + ".", decoder.hidden,
                         config.width, decoder.activation, false);
  }
  return experts;
}

const char* router_weight(const DecoderConfig& decoder) {
  return decoder.paired ? "router.classifier.weight" : "gate.weight";
}

const char* choice_bias(const DecoderConfig& decoder) {
  return decoder.paired ? "router.e_score_correction_bias" : "gate.e_score_correction_bias";
}

}  // namespace

ExpertChoice choose_experts(const DecoderMixture& config, std::span<const float> scores, std::span<const float> bias) {
  ExpertChoice choice;
  const auto experts = static_cast<std::size_t>(config.experts);
  for (std::size_t at = 0; at < scores.size(); at += experts) {
    const auto row = scores.subspan(at, experts);
    const auto chosen = choose_row(config, row, bias);
    choice.experts.insert(choice.experts.end(), chosen.begin(), chosen.end());
    append_weights(config, row, chosen, choice.weights);
  }
  return choice;
}

MixtureLayer::MixtureLayer(Context& context, Checkpoint& checkpoint, const std::string& prefix,
                           const DecoderMixture& config, const DecoderConfig& decoder)
    : config_(config),
      router_(context, checkpoint, {{prefix + router_weight(decoder), "", config.experts}}, decoder.hidden,
              Math::exact),
      experts_(load_experts(context, checkpoint, prefix, config, decoder)) {
  if (config.shared_width > 0) {
    shared_.emplace(context, checkpoint, prefix + "shared_experts.", decoder.hidden, config.shared_width,
                    decoder.activation, false);
  }
  if (config.choice_bias) bias_ = checkpoint.floats(prefix + choice_bias(decoder), {config.experts});
}

ExpertChoice MixtureLayer::choose(Context& context, ConstMatrix normed) const {
  const bool sigmoid = config_.scores == DecoderMixture::Scores::sigmoid;
  const Tensor scores = router_.forward(context, normed);
  if (sigmoid) {
    activate(context, Activation::sigmoid, scores, scores);
  } else {
    softmax(context, scores, scores);
  }
  std::vector<float> host(static_cast<std::size_t>(scores.size()));
  context.download(scores.bytes(), host.data(), host.size() * sizeof(float));
  return choose_experts(config_, host, bias_);
}

void MixtureLayer::run_experts(Context& context, const std::vector<std::int32_t>& first, ConstMatrix gathered,
                               Matrix results) const {
  for (std::size_t e = 0; e < experts_.size(); ++e) {
    const std::int64_t count = first[e + 1] - first[e];
    if (count == 0) continue;
    experts_[e].forward(context, gathered.slice(first[e], count), {}, results.slice(first[e], count));
  }
  const std::int64_t behind = first[experts_.size()];
  const std::int64_t same = results.rows - behind;
  if (same > 0) copy_rows(context, gathered.slice(behind, same), results.slice(behind, same));
}

void MixtureLayer::forward(Context& context, ConstMatrix normed, Matrix x) const {
  const ExpertChoice choice = choose(context, normed);
  const Dispatch dispatch(choice, config_.experts, config_.chosen);
  const std::int64_t slots = x.rows * config_.chosen;
  const Tensor rows = uploaded(context, dispatch.rows, DType::i32);
  const Tensor gathered = context.scratch({slots, x.columns});
  embedding(context, normed, rows.ints(), gathered);
  const Tensor results = context.scratch({slots, x.columns});
  run_experts(context, dispatch.first, gathered, results);
  const Tensor slots_of_rows = uploaded(context, dispatch.slots, DType::i32);
  const Tensor weights = uploaded(context, choice.weights, DType::f32);
  embedding_weighted_sum(context, results, config_.chosen, slots_of_rows.ints(), weights.data(), x);
  if (shared_) shared_->forward(context, normed, x, x);
}

}  // namespace tessera
