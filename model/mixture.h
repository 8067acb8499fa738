#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "codec/layers/linear.h"
#include "kernels/expert_product.h"
#include "model/config.h"
#include "model/feed_forward.h"

namespace tessera {

/// The experts of some tokens: [tokens, chosen], those of a token in ascending order.
struct ExpertChoice {
  std::vector<std::int32_t> experts;
  std::vector<float> weights;
};

/// Of each row of `scores` [tokens, experts], on the host (see kernels/routing.h). `bias` is [experts] or empty.
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
  /// MLP's result. On a GPU the experts of few rows are chosen there; else this waits for the device, since the choice
  /// is made on the host.
  void forward(Context& context, ConstMatrix normed, Matrix x) const;

 private:
  // What takes experts by numbers that lie on the device.
  struct Indexed {
    ExpertWeights gate_up;
    ExpertWeights down;
    Tensor bias;
    Tensor slots;  // 0, 1, 2, …
  };

  void load_indexed(Context& context);
  [[nodiscard]] Tensor scores(Context& context, ConstMatrix normed) const;
  [[nodiscard]] ExpertChoice choose(Context& context, const Tensor& scores) const;
  void run_experts(Context& context, const std::vector<std::int32_t>& first, ConstMatrix gathered,
                   Matrix results) const;
  void add_by_expert(Context& context, const Tensor& scores, ConstMatrix normed, Matrix x) const;
  void add_indexed(Context& context, const Tensor& scores, ConstMatrix normed, Matrix x) const;

  DecoderMixture config_;
  LinearLayer router_;
  std::vector<float> bias_;
  std::vector<GatedMlp> experts_;
  std::optional<GatedMlp> shared_;
  std::optional<Indexed> indexed_;
};

}  // namespace tessera
