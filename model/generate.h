#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "model/decoder.h"
#include "model/drafter.h"
#include "model/pacing.h"
#include "model/prefix_cache.h"
#include "model/sampler.h"
#include "tokenizer/grammar.h"

namespace tessera {

class Pass;

/// Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598). The model reads what it generates twice, behind
/// the prompt and behind another one: no prompt, a negative one, one without its words. Of the logits c behind the
/// first and u behind the second it draws from
///   u + scale * (c - u), float32, each step rounded;
/// masks, penalties, temperature and filters come after. So do LlamaGen, Janus, Lumina-mGPT, Liquid and transformers'
/// ClassifierFreeGuidanceLogitsProcessor. Emu3 and transformers' UnbatchedClassifierFreeGuidanceLogitsProcessor take
/// c and u through log-softmax first: that moves all logits of a row by one number, so what is drawn is the same, but
/// for a repetition penalty, which looks at signs.
struct Guidance {
  double scale = 1;                  ///< 1: none, and nothing is read twice
  std::vector<std::int32_t> prompt;  ///< the other one, of its own length, delimiters that begin a picture included
};

/// What to continue a prompt with.
struct GenerateOptions {
  static constexpr int kAutomatic = -1;

  std::int64_t max_tokens = 256;
  std::int64_t context = 0;         ///< most positions of a sequence; 0: as many as the model's configuration says
  std::int64_t memory = -1;         ///< most bytes of caches; -1: what the machine has left (kernels/memory_limit.h)
  SamplerOptions sampler;           ///< of text
  SamplerOptions audio_sampler;     ///< of ids that the grammar says are of a clip,
  SamplerOptions image_sampler;     ///< or of a picture
  std::vector<std::int32_t> stops;  ///< ids that end the sequence; they belong to it
  std::optional<Grammar> grammar;   ///< where the prompt ends; only ids that it allows are drawn
  Guidance guidance;                ///< the prompt's own scores are without it
  bool log_probabilities = false;   ///< of generated ids
  bool score_prompt = false;        ///< of the prompt's too
  /// Null, or where prompts that begin alike are kept; not with score_prompt, which reads all of it. It must outlive
  /// the Generation, and changes the speed and never the ids.
  PrefixCache* prefixes = nullptr;
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
  /// outside the vocabulary, "context_overflow" when a prompt does not fit, "too_large" when the caches of all ids that
  /// may come take more memory than there is; ArgumentError for options out of range.
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
  /// How many of the prompt's ids were not read, since an earlier prompt began with them.
  [[nodiscard]] std::int64_t prefix() const noexcept { return prefix_; }
  /// Seconds of steps that read the prompt, and of those that decoded.
  [[nodiscard]] double prefill_seconds() const noexcept { return prefill_seconds_; }
  [[nodiscard]] double decode_seconds() const noexcept { return decode_seconds_; }
  [[nodiscard]] DraftCounts draft_counts() const;
  /// Logits that the model computed for it, drafts' not counted: with a grammar only those of ids that may come next,
  /// for it or for its company, unless log-probabilities over the whole vocabulary were asked for.
  [[nodiscard]] std::int64_t logits_computed() const noexcept { return logits_computed_; }

 private:
  friend void advance(Context& context, const Decoder& decoder, std::span<Generation* const> batch);

  // One way to read what is generated: behind the prompt, or behind the one without guidance.
  struct Reading {
    Sequence sequence;
    std::size_t prompt_size;
    std::vector<float> last;  // logits behind the prompt, until both have been read

    [[nodiscard]] bool in_prompt() const noexcept;
  };

  [[nodiscard]] bool in_prompt() const noexcept;
  [[nodiscard]] Reading read_behind(Context& context, std::span<const std::int32_t> prompt,
                                    std::unique_ptr<Drafter>* drafter) const;
  void remember(Context& context, const Reading& reading, std::span<const std::int32_t> prompt,
                const Drafter* drafter) const;
  void prepare(Context& context, std::vector<Feed>& feeds);
  void add_piece(Reading& reading, std::span<const std::int32_t> prompt, std::vector<Feed>& feeds) const;
  void take_prompt(Context& context, Pass& pass);
  void take_step(Context& context, Pass& pass);
  void guide(std::span<float> logits, std::span<const float> unguided) const;
  static void run(Context& context, const Decoder& decoder, std::span<Generation* const> batch, LogitRows rows,
                  bool is_prompt);
  void add_time(bool is_prompt, double seconds);
  void observe(Context& context, ConstMatrix hidden, std::int64_t rows);
  void draft(Context& context);
  [[nodiscard]] int draft_length();
  void want(WantedIds& wanted) const;
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
  std::int64_t most_ids_;  // to generate
  std::unique_ptr<Drafter> drafter_;
  Reading reading_;
  std::optional<Reading> unguided_;
  std::int64_t prefix_;
  std::vector<DraftPacing> pacings_;  // by Grammar::Modality
  std::size_t pacing_ = 0;            // this step's
  std::vector<std::int32_t> feed_;    // of this step: the newest id and its drafts
  IdCounts counts_;
  std::vector<double> log_probabilities_;
  std::vector<double> prompt_scores_;
  double prefill_seconds_ = 0;
  double decode_seconds_ = 0;
  std::int64_t logits_computed_ = 0;
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
