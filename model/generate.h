#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/decoder.h"
#include "model/drafter.h"
#include "model/pacing.h"
#include "model/sampler.h"
#include "tokenizer/grammar.h"

namespace tessera {

/// What to continue a prompt with.
struct GenerateOptions {
  static constexpr int kAutomatic = -1;

  std::int64_t max_tokens = 256;
  std::int64_t context = 0;         ///< positions there is room for; 0: prompt + max_tokens
  SamplerOptions sampler;           ///< of text
  SamplerOptions audio_sampler;     ///< of ids that the grammar says are of a clip,
  SamplerOptions image_sampler;     ///< or of a picture
  std::vector<std::int32_t> stops;  ///< ids that end the sequence; they belong to it
  std::optional<Grammar> grammar;   ///< where the prompt ends; only ids that it allows are drawn
  bool log_probabilities = false;   ///< of generated ids
  bool score_prompt = false;        ///< of the prompt's too
  /// Drafts a step: none, a fixed number, or kAutomatic: as many as pay, where sources can to the end of a frame of
  /// audio. It changes the speed and never the ids.
  int drafts = kAutomatic;
  /// What a benchmark puts in place of a proposal drawn for a position; null: nothing.
  std::function<std::int32_t(std::int32_t proposal, std::int64_t position)> impose;
};

/// Speculation and its price.
struct DraftCounts {
  std::int64_t steps = 0;  ///< of decoding
  std::int64_t drafted = 0;
  std::int64_t accepted = 0;
  std::vector<std::int64_t> drafted_at;  ///< by place in a draft
  std::vector<std::int64_t> accepted_at;
};

/// One sequence that is being continued: a prompt, the ids so far, caches, drafts. It is driven by generate() or, with
/// others, by advance(). Its ids depend on its prompt and options alone.
class Generation {
 public:
  enum class End : std::uint8_t { none, length, stop };

  /// `drafts` may be null. It and the model must outlive this. Throws InputError: "empty_prompt", "bad_ids" for an id
  /// outside the vocabulary, "context_overflow" when the prompt does not fit; ArgumentError for options out of range.
  Generation(Context& context, const Decoder& decoder, const DraftSource* drafts, std::vector<std::int32_t> prompt,
             GenerateOptions options);
  Generation(Generation&&) noexcept;
  ~Generation();

  [[nodiscard]] bool finished() const noexcept { return end_ != End::none; }
  [[nodiscard]] End end() const noexcept { return end_; }
  /// Ends it before its time, with the first `ids` generated: a stop text was found.
  void stop_after(std::size_t ids);

  [[nodiscard]] std::span<const std::int32_t> prompt() const noexcept;
  [[nodiscard]] std::span<const std::int32_t> generated() const noexcept;
  /// Natural logarithms over the whole vocabulary, one for each generated id when they were asked for.
  [[nodiscard]] const std::vector<double>& log_probabilities() const noexcept { return log_probabilities_; }
  /// Of the prompt's ids but the first, when they were asked for.
  [[nodiscard]] const std::vector<double>& prompt_scores() const noexcept { return prompt_scores_; }
  /// Seconds of steps that read the prompt, and of those that decoded.
  [[nodiscard]] double prefill_seconds() const noexcept { return prefill_seconds_; }
  [[nodiscard]] double decode_seconds() const noexcept { return decode_seconds_; }
  [[nodiscard]] DraftCounts draft_counts() const;

 private:
  friend void advance(Context& context, const Decoder& decoder, std::span<Generation* const> batch);

  [[nodiscard]] bool in_prompt() const noexcept;
  [[nodiscard]] std::span<const std::int32_t> prepare(Context& context);
  void take_prompt(Context& context, std::span<const float> logits, ConstMatrix hidden);
  void take_step(Context& context, std::span<const float> logits, ConstMatrix hidden);
  static void run(Context& context, const Decoder& decoder, std::span<Generation* const> batch, LogitRows rows,
                  bool is_prompt);
  void add_time(bool is_prompt, double seconds);
  void draft(Context& context);
  [[nodiscard]] int draft_length();
  void score_rows(std::span<const float> logits);
  std::int32_t draw(std::span<const float> logits);
  void commit(std::int32_t id, std::span<const float> logits);
  [[nodiscard]] std::int64_t room() const noexcept;
  [[nodiscard]] const Sampler& sampler_for(const std::optional<Grammar>& grammar) const;

  const Decoder& decoder_;
  const DraftSource* drafts_;
  GenerateOptions options_;
  std::vector<Sampler> samplers_;  // by Grammar::Modality
  std::vector<std::int32_t> ids_;
  std::size_t prompt_size_;
  Sequence sequence_;
  std::unique_ptr<Drafter> drafter_;
  std::vector<DraftPacing> pacings_;  // by Grammar::Modality
  std::size_t pacing_ = 0;            // this step's
  std::vector<std::int32_t> feed_;    // of this step: the newest id and its drafts
  IdCounts counts_;
  std::vector<double> log_probabilities_;
  std::vector<double> prompt_scores_;
  double prefill_seconds_ = 0;
  double decode_seconds_ = 0;
  std::int64_t steps_ = 0;
  int accepted_ = 0;  // drafts of the last step
  End end_ = End::none;
};

/// One step of every sequence that is not finished: a piece of its prompt, or its newest id with drafts, all sequences
/// of a kind in one pass over the weights.
void advance(Context& context, const Decoder& decoder, std::span<Generation* const> batch);

/// Called with each id as it comes; false ends the sequence.
using IdSink = std::function<bool(std::int32_t id)>;
/// Steps until it is finished.
void generate(Context& context, const Decoder& decoder, Generation& generation, const IdSink& sink);

}  // namespace tessera
