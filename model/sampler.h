#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace tessera {

/// How the next id is drawn from logits. The steps, in this order: penalties, temperature, top-k, top-p, min-p.
struct SamplerOptions {
  double temperature = 1;  ///< logits are divided by it; 0: the id with the largest logit, whatever stands below
  int top_k = 0;           ///< only the k likeliest ids, ties to the lowest; 0: all
  double top_p = 1;        ///< only the likeliest ids whose probabilities reach this sum
  double min_p = 0;        ///< only ids at least this fraction as likely as the likeliest
  /// Logits of ids that the sequence holds, prompt included, are divided by it when positive and multiplied when not
  /// (Keskar et al. 2019).
  double repetition_penalty = 1;
  double presence_penalty = 0;   ///< taken from the logits of ids that were generated
  double frequency_penalty = 0;  ///< the same, times how often
  std::uint64_t seed = 0;
};

/// How often each id occurred, for the penalties.
struct IdCounts {
  std::unordered_map<std::int32_t, std::int32_t> prompt;
  std::unordered_map<std::int32_t, std::int32_t> generated;
};

/// Draws ids. The noise of an id is a function of (seed, position, id), so that what is drawn at a position depends on
/// its logits alone: not on drafts, on chunks or on other sequences. Const and free of state.
class Sampler {
 public:
  /// Throws ArgumentError for an option out of range: a negative temperature, top_p outside (0, 1], min_p outside
  /// [0, 1], a repetition penalty that is not positive, a figure that is not finite.
  explicit Sampler(const SamplerOptions& options);

  /// The id of `position` among the ids in `allowed` (ranges that do not overlap; empty: all). `logits` is
  /// [vocabulary]. What is not finite is never drawn. Throws ArgumentError when no id may come.
  [[nodiscard]] std::int32_t draw(std::span<const float> logits, std::int64_t position, const IdCounts& counts,
                                  std::span<const IdRange> allowed = {}) const;

  [[nodiscard]] const SamplerOptions& options() const noexcept { return options_; }

 private:
  struct Candidate;
  class Race;
  [[nodiscard]] double penalised(double logit, std::int32_t id, const IdCounts& counts) const;
  template <class Take>
  void for_each(std::span<const float> logits, const IdCounts& counts, std::span<const IdRange> allowed,
                const Take& take) const;
  void keep_top_k(std::vector<Candidate>& candidates) const;
  void keep_likeliest(std::vector<Candidate>& candidates) const;
  [[nodiscard]] Candidate draw_filtered(std::span<const float> logits, std::int64_t position, const IdCounts& counts,
                                        std::span<const IdRange> allowed) const;

  SamplerOptions options_;
};

/// log softmax(logits)[id] over the whole vocabulary: natural logarithm, double precision, sums in ascending order. NaN
/// where the largest logit is not finite.
[[nodiscard]] double log_probability(std::span<const float> logits, std::int32_t id);

}  // namespace tessera
