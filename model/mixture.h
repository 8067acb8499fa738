#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "codec/layers/linear.h"
#include "model/config.h"
#include "model/feed_forward.h"

namespace tessera {

/// The experts of some tokens: [tokens, chosen], those of a token in ascending order.
struct ExpertChoice {
  std::vector<std::int32_t> experts;
  std::vector<float> weights;
};

/// Chooses for each row of `scores` [tokens, experts], the softmax or sigmoid of the router's logits. `bias` is
/// [experts] or empty. choice score = score + bias; with groups, those count whose two best choice scores sum to most,
/// or whose best one is largest; the experts with the largest choice scores are taken, ties to the lowest index. weight
/// = score of a taken one, divided by (their sum in ascending order of experts + 1e-20) when the family renormalises,
/// times weight_scale. A score that is NaN is taken last.
[[nodiscard]] ExpertChoice choose_experts(const DecoderMixture& config, std::span<const float> scores,
                                          std::span<const float> bias);

/// Routed experts. A token's result is the same in any company: each expert's product gives a row what it gives it
/// alone, and a token's experts are added in ascending order.
class MixtureLayer {
 public:
  /// Tensors `prefix`gate.weight, `prefix`gate.e_score_correction_bias when there is a choice bias (in paired layers
  /// router.classifier.weight and router.e_score_correction_bias), `prefix`experts.E.{gate,up,down}_proj.weight, and
  /// `prefix`shared_experts.{gate,up,down}_proj.weight.
  MixtureLayer(Context& context, Checkpoint& checkpoint, const std::string& prefix, const DecoderMixture& config,
               const DecoderConfig& decoder);

  /// x [rows, hidden] += sum over a row's experts, ascending, of fma(weight, expert(normed row), x); then the shared
  /// MLP's result. Waits for the device: the choice is made on the host.
  void forward(Context& context, ConstMatrix normed, Matrix x) const;

 private:
  [[nodiscard]] ExpertChoice choose(Context& context, ConstMatrix normed) const;
  void run_experts(Context& context, const std::vector<std::int32_t>& first, ConstMatrix gathered,
                   Matrix results) const;

  DecoderMixture config_;
  LinearLayer router_;
  std::vector<float> bias_;
  std::vector<GatedMlp> experts_;
  std::optional<GatedMlp> shared_;
};

}  // namespace tessera
