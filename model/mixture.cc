#include "model/mixture.h"

#include <algorithm>
#include <numeric>

#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/softmax.h"

namespace tessera {
namespace {

// Rows for which experts are chosen on a GPU, without a wait: each of a row's experts is read for that row alone.
constexpr std::int64_t kIndexedRows = 16;

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
  // transformers saves weights of experts that have none, those that give back their input.
  for (int e = count; e < config.experts; ++e) checkpoint.ignore_prefix(prefix + "experts." + std::to_string(e) + ".");
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
  const auto experts = static_cast<std::size_t>(config.experts);
  const auto chosen = static_cast<std::size_t>(config.chosen);
  const std::size_t tokens = scores.size() / experts;
  ExpertChoice choice{std::vector<std::int32_t>(tokens * chosen), std::vector<float>(tokens * chosen)};
  for (std::size_t t = 0; t < tokens; ++t) {
    choose_experts(config, scores.data() + t * experts, bias.empty() ? nullptr : bias.data(),
                   choice.experts.data() + t * chosen, choice.weights.data() + t * chosen);
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
  if (context.device().is_cuda()) load_indexed(context);
}

// Experts that are stored otherwise than others stay chosen on the host.
void MixtureLayer::load_indexed(Context& context) {
  std::vector<const PackedWeights*> gate_up;
  std::vector<const PackedWeights*> down;
  for (const GatedMlp& expert : experts_) {
    gate_up.push_back(&expert.gate_up());
    down.push_back(&expert.down());
  }
  if (!ExpertWeights::alike(gate_up) || !ExpertWeights::alike(down)) return;
  std::vector<std::int32_t> slots(static_cast<std::size_t>(kIndexedRows * config_.chosen));
  std::iota(slots.begin(), slots.end(), 0);
  Tensor slot_ids = context.allocate({static_cast<std::int64_t>(slots.size())}, DType::i32);
  context.upload(slots.data(), slot_ids.bytes(), slots.size() * sizeof(std::int32_t));
  indexed_.emplace(Indexed{ExpertWeights(context, std::move(gate_up)), ExpertWeights(context, std::move(down)),
                           bias_.empty() ? Tensor() : to_device(context, bias_), std::move(slot_ids)});
}

Tensor MixtureLayer::scores(Context& context, ConstMatrix normed) const {
  Tensor scores = router_.forward(context, normed);
  if (config_.scores == DecoderMixture::Scores::sigmoid) {
    activate(context, Activation::sigmoid, scores, scores);
  } else {
    softmax(context, scores, scores);
  }
  return scores;
}

ExpertChoice MixtureLayer::choose(Context& context, const Tensor& scores) const {
  std::vector<float> host(static_cast<std::size_t>(scores.size()));
  context.download(scores.bytes(), host.data(), host.size() * sizeof(float));
  return choose_experts(config_, host, bias_);
}

void MixtureLayer::run_experts(Context& context, const std::vector<std::int32_t>& first, ConstMatrix gathered,
                               Matrix results) const {
  const auto run = [&](ConstMatrix x, Matrix out, const PackedWeights& (GatedMlp::*part)() const) {
    std::vector<ProductOf> all;
    for (std::size_t e = 0; e < experts_.size(); ++e) {
      const std::int64_t count = first[e + 1] - first[e];
      if (count > 0) all.push_back({x.slice(first[e], count), &(experts_[e].*part)(), out.slice(first[e], count)});
    }
    products(context, all);
  };
  const Tensor both = context.scratch({first[experts_.size()], 2 * config_.width});
  run(gathered, both, &GatedMlp::gate_up);
  run(experts_.front().combine(context, both), results, &GatedMlp::down);
  const std::int64_t behind = first[experts_.size()];
  const std::int64_t same = results.rows - behind;
  if (same > 0) copy_rows(context, gathered.slice(behind, same), results.slice(behind, same));
}

void MixtureLayer::add_by_expert(Context& context, const Tensor& scores, ConstMatrix normed, Matrix x) const {
  const ExpertChoice choice = choose(context, scores);
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
}

void MixtureLayer::add_indexed(Context& context, const Tensor& scores, ConstMatrix normed, Matrix x) const {
  const std::int64_t slots = x.rows * config_.chosen;
  const Tensor ids = context.scratch({slots}, DType::i32);
  const Tensor weights = context.scratch({slots});
  choose_experts(context, config_, scores, indexed_->bias.data(), ids.ints(), weights.data());
  const Tensor both = context.scratch({slots, 2 * config_.width});
  expert_product(context, normed, config_.chosen, indexed_->gate_up, ids.ints(), both);
  const Matrix gated = experts_.front().combine(context, both);
  const Tensor results = context.scratch({slots, x.columns});
  expert_product(context, gated, 1, indexed_->down, ids.ints(), results);
  if (config_.identities > 0) {
    expert_identity(context, normed, config_.chosen, config_.experts - config_.identities, ids.ints(), results);
  }
  embedding_weighted_sum(context, results, config_.chosen, indexed_->slots.ints(), weights.data(), x);
}

void MixtureLayer::forward(Context& context, ConstMatrix normed, Matrix x) const {
  const Tensor scores = this->scores(context, normed);
  if (indexed_ && x.rows <= kIndexedRows) {
    add_indexed(context, scores, normed, x);
  } else {
    add_by_expert(context, scores, normed, x);
  }
  if (shared_) shared_->forward(context, normed, x, x);
}

}  // namespace tessera
