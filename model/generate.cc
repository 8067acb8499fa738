#include "model/generate.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "kernels/error.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

// Scores need the logits of every row: fewer rows at once keep them small.
constexpr std::int64_t kScoredRows = 64;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::size_t modality_of(const std::optional<Grammar>& grammar) {
  return static_cast<std::size_t>(grammar ? grammar->modality() : Grammar::Modality::text);
}

// Drafts a step at most, where `frame` ids of a frame of audio are yet to come.
int most_drafts(const DraftSource* drafts, int wanted, int frame) {
  if (drafts == nullptr || wanted == 0) return 0;
  return wanted == GenerateOptions::kAutomatic ? drafts->reach(frame) : std::min(wanted, drafts->reach(wanted));
}

std::vector<DraftPacing> pacings_for(const DraftSource* drafts, const GenerateOptions& options) {
  const int frame = options.grammar ? options.grammar->frame_size() : 0;
  const int outside = most_drafts(drafts, options.drafts, 0);
  return {DraftPacing(outside), DraftPacing(most_drafts(drafts, options.drafts, frame)), DraftPacing(outside)};
}

// Keeps those before the first that may not come where it stands: it could not be accepted.
void cut_forbidden(Grammar grammar, std::int64_t room, std::vector<std::int32_t>& ids) {
  auto id = ids.begin();
  for (; id != ids.end(); grammar.advance(*id++)) {
    const auto allowed = grammar.allowed(room--);
    const auto holds = [&](const IdRange& range) { return range.contains(*id); };
    if (std::none_of(allowed.begin(), allowed.end(), holds)) break;
  }
  ids.erase(id, ids.end());
}

void check_prompt(const std::vector<std::int32_t>& prompt, std::int64_t vocabulary) {
  if (prompt.empty()) throw InputError("empty_prompt", "the prompt is empty: give at least one id");
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    if (prompt[i] >= 0 && prompt[i] < vocabulary) continue;
    throw InputError("bad_ids", "prompt, position " + std::to_string(i) + ": id " + std::to_string(prompt[i]) +
                                    " is outside the vocabulary of " + std::to_string(vocabulary));
  }
}

std::int64_t capacity_for(const Decoder& decoder, std::size_t prompt, const GenerateOptions& options) {
  const auto ids = static_cast<std::int64_t>(prompt);
  const std::int64_t most = options.context > 0 ? options.context : decoder.config().positions;
  if (ids > most) {
    throw InputError("context_overflow", "the prompt has " + std::to_string(ids) + " ids, the context " +
                                             std::to_string(most) + ": shorten the prompt or ask for more context");
  }
  return std::min(most, ids + options.max_tokens);
}

std::vector<float> to_host(Context& context, const Tensor& logits) {
  std::vector<float> rows(static_cast<std::size_t>(logits.size()));
  context.download(logits.bytes(), rows.data(), rows.size() * sizeof(float));
  return rows;
}

}  // namespace

Generation::Generation(Context& context, const Decoder& decoder, const DraftSource* drafts,
                       std::vector<std::int32_t> prompt, GenerateOptions options)
    : decoder_(decoder),
      drafts_(most_drafts(drafts, options.drafts, 0) == 0 ? nullptr : drafts),
      options_(std::move(options)),
      samplers_{Sampler(options_.sampler), Sampler(options_.audio_sampler), Sampler(options_.image_sampler)},
      ids_((check_prompt(prompt, decoder.config().vocabulary), std::move(prompt))),
      prompt_size_(ids_.size()),
      sequence_(decoder.start(context, capacity_for(decoder, prompt_size_, options_))),
      pacings_(pacings_for(drafts_, options_)) {
  if (options_.max_tokens < 0) throw ArgumentError("max_tokens is 0 or more");
  if (drafts_ != nullptr) drafter_ = drafts_->start(context, sequence_.capacity());
  for (const std::int32_t id : ids_) ++counts_.prompt[id];
  if (room() == 0 && !options_.score_prompt) end_ = End::length;
}

Generation::Generation(Generation&&) noexcept = default;
Generation::~Generation() = default;

std::span<const std::int32_t> Generation::prompt() const noexcept { return std::span(ids_).first(prompt_size_); }

std::span<const std::int32_t> Generation::generated() const noexcept { return std::span(ids_).subspan(prompt_size_); }

void Generation::stop_after(std::size_t ids) {
  end_ = End::stop;
  ids_.resize(std::min(ids_.size(), prompt_size_ + ids));
  log_probabilities_.resize(std::min(log_probabilities_.size(), ids));
}

DraftCounts Generation::draft_counts() const {
  DraftCounts counts;
  counts.steps = steps_;
  const auto add = [](const std::vector<std::int64_t>& more, std::vector<std::int64_t>& by_place, std::int64_t& all) {
    by_place.resize(std::max(by_place.size(), more.size()));
    for (std::size_t k = 0; k < more.size(); ++k) by_place[k] += more[k], all += more[k];
  };
  for (const DraftPacing& pacing : pacings_) {
    add(pacing.drafted(), counts.drafted_at, counts.drafted);
    add(pacing.accepted(), counts.accepted_at, counts.accepted);
  }
  return counts;
}

bool Generation::in_prompt() const noexcept { return sequence_.length() < static_cast<std::int64_t>(prompt_size_); }

// Ids that may still come.
std::int64_t Generation::room() const noexcept {
  const auto all = static_cast<std::int64_t>(ids_.size());
  return std::min(options_.max_tokens - (all - static_cast<std::int64_t>(prompt_size_)), sequence_.capacity() - all);
}

const Sampler& Generation::sampler_for(const std::optional<Grammar>& grammar) const {
  return samplers_[modality_of(grammar)];
}

// The ids that go through the decoder next.
std::span<const std::int32_t> Generation::prepare(Context& context) {
  if (!in_prompt()) {
    feed_ = {ids_.back()};
    draft(context);
    return feed_;
  }
  const auto left = prompt().subspan(static_cast<std::size_t>(sequence_.length()));
  const std::int64_t most = options_.score_prompt ? kScoredRows : kMostDecoderRows;
  return left.first(std::min(left.size(), static_cast<std::size_t>(most)));
}

// How many ids to draft now.
int Generation::draft_length() {
  const int frame = options_.grammar ? options_.grammar->frame_left() : 0;
  const int most = most_drafts(drafts_, options_.drafts, frame);
  const int useful = static_cast<int>(std::min<std::int64_t>(room() - 1, most));
  pacing_ = modality_of(options_.grammar);
  return options_.drafts == GenerateOptions::kAutomatic ? pacings_[pacing_].next(useful) : useful;
}

void Generation::draft(Context& context) {
  const int count = drafter_ ? draft_length() : 0;
  if (count <= 0) return;
  std::optional<Grammar> grammar = options_.grammar;
  const auto pick = [&](std::span<const float> logits, std::int64_t position) {
    const std::int64_t left = room() + static_cast<std::int64_t>(ids_.size()) - position;
    const auto allowed = grammar ? grammar->allowed(left) : std::vector<IdRange>{};
    if (grammar && allowed.empty()) return std::int32_t{0};  // after a stop nothing is accepted
    const std::int32_t id = sampler_for(grammar).draw(logits, position, counts_, allowed);
    if (grammar) grammar->advance(id);
    return options_.impose ? options_.impose(id, position) : id;
  };
  auto proposals = drafter_->propose(context, ids_, count, pick);
  if (options_.grammar) cut_forbidden(*options_.grammar, room(), proposals);
  feed_.insert(feed_.end(), proposals.begin(), proposals.end());
}

std::int32_t Generation::draw(std::span<const float> logits) {
  const auto allowed = options_.grammar ? options_.grammar->allowed(room()) : std::vector<IdRange>{};
  if (options_.grammar && allowed.empty()) throw ArgumentError("the grammar allows nothing more");
  return sampler_for(options_.grammar).draw(logits, static_cast<std::int64_t>(ids_.size()), counts_, allowed);
}

void Generation::commit(std::int32_t id, std::span<const float> logits) {
  if (options_.log_probabilities) log_probabilities_.push_back(log_probability(logits, id));
  ids_.push_back(id);
  ++counts_.generated[id];
  if (options_.grammar) options_.grammar->advance(id);
  const bool is_stop = std::find(options_.stops.begin(), options_.stops.end(), id) != options_.stops.end();
  if (is_stop || (options_.grammar && options_.grammar->stopped())) {
    end_ = End::stop;
  } else if (room() == 0) {
    end_ = End::length;
  }
}

// Of the piece that has just been read: its rows score the ids behind them.
void Generation::score_rows(std::span<const float> logits) {
  const auto width = static_cast<std::size_t>(decoder_.config().vocabulary);
  std::size_t at = prompt_scores_.size() + 1;
  for (; !logits.empty() && at < prompt_size_; logits = logits.subspan(width)) {
    prompt_scores_.push_back(log_probability(logits.first(width), ids_[at++]));
  }
}

void Generation::take_prompt(Context& context, std::span<const float> logits, ConstMatrix hidden) {
  if (options_.score_prompt) score_rows(logits);
  if (drafter_) drafter_->observe(context, hidden, ids_);
  if (in_prompt()) return;
  if (room() == 0) {
    end_ = End::length;
    return;
  }
  const auto last = logits.last(static_cast<std::size_t>(decoder_.config().vocabulary));
  commit(draw(last), last);
}

// Each row chooses the id behind it; a draft that chose otherwise ends the step, and its rows are forgotten.
void Generation::take_step(Context& context, std::span<const float> logits, ConstMatrix hidden) {
  const auto width = static_cast<std::size_t>(decoder_.config().vocabulary);
  std::size_t kept = 0;
  for (bool goes_on = true; goes_on; logits = logits.subspan(width)) {
    const std::int32_t id = draw(logits.first(width));
    commit(id, logits.first(width));
    ++kept;
    goes_on = !finished() && kept < feed_.size() && feed_[kept] == id;
  }
  const auto rows = static_cast<std::int64_t>(kept);
  sequence_.truncate(sequence_.length() - static_cast<std::int64_t>(feed_.size()) + rows);
  if (drafter_) drafter_->observe(context, drafts_->reads_hidden() ? hidden.slice(0, rows) : ConstMatrix(), ids_);
  accepted_ = static_cast<int>(kept) - 1;
  ++steps_;
}

// One kind of step for all in `batch`.
void Generation::run(Context& context, const Decoder& decoder, std::span<Generation* const> batch, LogitRows rows,
                     bool is_prompt) {
  if (batch.empty()) return;
  const auto start = Clock::now();
  std::vector<Feed> feeds;
  bool any_reads = false;
  for (Generation* g : batch) {
    feeds.push_back({&g->sequence_, g->prepare(context)});
    any_reads = any_reads || (g->drafter_ && g->drafts_->reads_hidden());
  }
  Tensor hidden;
  const std::vector<float> logits =
      to_host(context, decoder.forward(context, feeds, rows, any_reads ? &hidden : nullptr));
  std::span<const float> left = logits;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto count = static_cast<std::int64_t>(feeds[i].ids.size());
    const std::int64_t given = rows == LogitRows::all ? count : 1;
    const auto own = left.first(static_cast<std::size_t>(given * decoder.config().vocabulary));
    const ConstMatrix stream = any_reads ? hidden.matrix().slice(first, count) : ConstMatrix();
    is_prompt ? batch[i]->take_prompt(context, own, stream) : batch[i]->take_step(context, own, stream);
    left = left.subspan(own.size());
    first += count;
  }
  for (Generation* g : batch) g->add_time(is_prompt, seconds_since(start));
}

void Generation::add_time(bool is_prompt, double seconds) {
  (is_prompt ? prefill_seconds_ : decode_seconds_) += seconds;
  if (!is_prompt) pacings_[pacing_].record(static_cast<int>(feed_.size()) - 1, accepted_, seconds);
}

void advance(Context& context, const Decoder& decoder, std::span<Generation* const> batch) {
  std::vector<Generation*> prompts;
  std::vector<Generation*> scored;
  std::vector<Generation*> steps;
  for (Generation* g : batch) {
    if (g->finished()) continue;
    (!g->in_prompt() ? steps : g->options_.score_prompt ? scored : prompts).push_back(g);
  }
  Generation::run(context, decoder, prompts, LogitRows::last, true);
  Generation::run(context, decoder, scored, LogitRows::all, true);
  Generation::run(context, decoder, steps, LogitRows::all, false);
}

void generate(Context& context, const Decoder& decoder, Generation& generation, const IdSink& sink) {
  Generation* const one = &generation;
  std::size_t told = 0;
  while (!generation.finished()) {
    advance(context, decoder, std::span(&one, 1));
    while (told < generation.generated().size()) {
      if (sink(generation.generated()[told++])) continue;
      return generation.stop_after(told);
    }
  }
}

}  // namespace tessera
