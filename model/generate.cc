#include "model/generate.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "kernels/error.h"
#include "model/generation_limits.h"
#include "model/pass.h"

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

}  // namespace

Generation::Generation(Context& context, const Decoder& decoder, const DraftSource* drafts,
                       std::vector<std::int32_t> prompt, GenerateOptions options)
    : decoder_(decoder),
      drafts_(most_drafts(drafts, options.drafts, 0) == 0 ? nullptr : drafts),
      options_(std::move(options)),
      samplers_{Sampler(options_.sampler), Sampler(options_.audio_sampler), Sampler(options_.image_sampler)},
      ids_(std::move(prompt)),
      most_ids_(most_ids(context, decoder, drafts_, ids_, options_)),
      reading_(read_behind(context, ids_, &drafter_)),
      prefix_(reading_.sequence.length()),
      pacings_(pacings_for(drafts_, options_)) {
  if (is_guided(options_)) unguided_.emplace(read_behind(context, options_.guidance.prompt, nullptr));
  for (const std::int32_t id : ids_) ++counts_.prompt[id];
  if (room() == 0 && !options_.score_prompt) end_ = End::length;
}

// `drafter`: null, or where the one that follows this prompt goes.
Generation::Reading Generation::read_behind(Context& context, std::span<const std::int32_t> prompt,
                                            std::unique_ptr<Drafter>* drafter) const {
  const std::int64_t capacity = std::ssize(prompt) + most_ids_;
  const bool drafts = drafter != nullptr && drafts_ != nullptr;
  const bool from_hidden = drafts && drafts_->reads_hidden();
  PrefixCache::Prefix prefix;
  if (options_.prefixes != nullptr && !options_.score_prompt) prefix = options_.prefixes->find(prompt, from_hidden);
  const PrefixCache::Entry* entry = prefix.entry;
  if (drafts) {
    *drafter = entry != nullptr && from_hidden ? entry->drafts->fork(context, prefix.length, capacity)
                                               : drafts_->start(context, capacity);
  }
  return {entry == nullptr ? decoder_.start(context, capacity) : entry->sequence.fork(context, prefix.length, capacity),
          prompt.size(),
          {}};
}

// A piece of `prompt` has been read. Where any place can be gone back to, its end is enough.
void Generation::remember(Context& context, const Reading& reading, std::span<const std::int32_t> prompt,
                          const Drafter* drafter) const {
  if (options_.prefixes == nullptr) return;
  const Drafter* kept = drafter != nullptr && drafts_->reads_hidden() ? drafter : nullptr;
  if (reading.in_prompt() && kept == nullptr && reading.sequence.reaches(0)) return;
  const auto read = prompt.first(static_cast<std::size_t>(reading.sequence.length()));
  options_.prefixes->put(context, read, reading.sequence, kept);
}

Generation::Generation(Generation&&) noexcept = default;
Generation::~Generation() = default;

std::span<const std::int32_t> Generation::prompt() const noexcept {
  return std::span(ids_).first(reading_.prompt_size);
}

std::span<const std::int32_t> Generation::generated() const noexcept {
  return std::span(ids_).subspan(reading_.prompt_size);
}

void Generation::stop_after(std::size_t ids) {
  end_ = End::stop;
  ids_.resize(std::min(ids_.size(), reading_.prompt_size + ids));
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

bool Generation::Reading::in_prompt() const noexcept {
  return sequence.length() < static_cast<std::int64_t>(prompt_size);
}

bool Generation::in_prompt() const noexcept { return reading_.in_prompt() || (unguided_ && unguided_->in_prompt()); }

// Ids that may still come.
std::int64_t Generation::room() const noexcept { return most_ids_ - std::ssize(generated()); }

const Sampler& Generation::sampler_for(const std::optional<Grammar>& grammar) const {
  return samplers_[modality_of(grammar)];
}

// What goes through the decoder next: pieces of prompts, or the newest id and its drafts.
void Generation::prepare(Context& context, std::vector<Feed>& feeds) {
  if (in_prompt()) {
    add_piece(reading_, prompt(), feeds);
    if (unguided_) add_piece(*unguided_, options_.guidance.prompt, feeds);
    return;
  }
  feed_ = {ids_.back()};
  draft(context);
  feeds.push_back({&reading_.sequence, feed_});
  if (unguided_) feeds.push_back({&unguided_->sequence, feed_});
}

void Generation::add_piece(Reading& reading, std::span<const std::int32_t> prompt, std::vector<Feed>& feeds) const {
  if (!reading.in_prompt()) return;
  const auto left = prompt.subspan(static_cast<std::size_t>(reading.sequence.length()));
  const std::int64_t most = options_.score_prompt ? kScoredRows : kMostDecoderRows;
  feeds.push_back({&reading.sequence, left.first(std::min(left.size(), static_cast<std::size_t>(most)))});
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
  std::vector<IdRange> allowed;
  const auto reach = [&](std::int64_t position) {
    if (grammar) allowed = grammar->allowed(room() + std::ssize(ids_) - position);
    return allowed;
  };
  const auto pick = [&](std::span<const float> logits, std::int64_t position) {
    if (grammar && allowed.empty()) return std::int32_t{0};  // after a stop nothing is accepted
    const std::int32_t id = sampler_for(grammar).draw(logits, position, counts_, allowed);
    if (grammar) grammar->advance(id);
    return options_.impose ? options_.impose(id, position) : id;
  };
  auto proposals = drafter_->propose(context, ids_, count, {pick, reach});
  if (options_.grammar) cut_forbidden(*options_.grammar, room(), proposals);
  feed_.insert(feed_.end(), proposals.begin(), proposals.end());
}

// What the rows that are about to be fed choose from: each id behind a row must be allowed there.
void Generation::want(WantedIds& wanted) const {
  if (!options_.grammar || options_.log_probabilities || (in_prompt() && options_.score_prompt))
    return wanted.add_all();
  Grammar grammar = *options_.grammar;
  wanted.add(grammar.allowed(room()));
  if (in_prompt()) return;
  for (std::size_t i = 1; i < feed_.size() && grammar.allows(feed_[i]); ++i) {
    grammar.advance(feed_[i]);
    wanted.add(grammar.allowed(room() - static_cast<std::int64_t>(i)));
  }
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
  for (; !logits.empty() && at < reading_.prompt_size; logits = logits.subspan(width)) {
    prompt_scores_.push_back(log_probability(logits.first(width), ids_[at++]));
  }
}

void Generation::observe(Context& context, ConstMatrix hidden, std::int64_t rows) {
  if (drafter_) drafter_->observe(context, drafts_->reads_hidden() ? hidden.slice(0, rows) : ConstMatrix(), ids_);
}

void Generation::take_prompt(Context& context, Pass& pass) {
  const auto keep_last = [&](std::span<const float> logits, Reading& reading) {
    const auto row = logits.last(static_cast<std::size_t>(decoder_.config().vocabulary));
    reading.last.assign(row.begin(), row.end());
  };
  if (pass.feeds(reading_.sequence)) {
    const PassPart part = pass.next();
    if (options_.score_prompt) score_rows(part.logits);
    observe(context, part.hidden, part.hidden.rows);
    keep_last(part.logits, reading_);
    remember(context, reading_, prompt(), drafter_.get());
  }
  if (unguided_ && pass.feeds(unguided_->sequence)) {
    keep_last(pass.next().logits, *unguided_);
    remember(context, *unguided_, options_.guidance.prompt, nullptr);
  }
  if (in_prompt()) return;
  if (room() == 0) {
    end_ = End::length;
    return;
  }
  if (unguided_) guide(reading_.last, unguided_->last);
  commit(draw(reading_.last), reading_.last);
}

void Generation::guide(std::span<float> logits, std::span<const float> unguided) const {
  const auto scale = static_cast<float>(options_.guidance.scale);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = unguided[i] + scale * (logits[i] - unguided[i]);
}

// Each row chooses the id behind it; a draft that chose otherwise ends the step, and its rows are forgotten.
void Generation::take_step(Context& context, Pass& pass) {
  const auto width = static_cast<std::size_t>(decoder_.config().vocabulary);
  const PassPart part = pass.next();
  if (unguided_) guide(part.logits, pass.next().logits);
  std::size_t kept = 0;
  for (bool goes_on = true; goes_on;) {
    const auto logits = part.logits.subspan(kept * width, width);
    const std::int32_t id = draw(logits);
    commit(id, logits);
    ++kept;
    goes_on = !finished() && kept < feed_.size() && feed_[kept] == id;
  }
  const auto rows = static_cast<std::int64_t>(kept);
  const std::int64_t forgotten = std::ssize(feed_) - rows;
  reading_.sequence.truncate(reading_.sequence.length() - forgotten);
  if (unguided_) unguided_->sequence.truncate(unguided_->sequence.length() - forgotten);
  observe(context, part.hidden, rows);
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
  WantedIds wanted;
  for (Generation* g : batch) {
    g->prepare(context, feeds);
    g->want(wanted);
    any_reads = any_reads || (g->drafter_ && g->drafts_->reads_hidden());
  }
  const auto ids = wanted.panels(decoder.config().vocabulary);
  Tensor hidden;
  auto logits =
      download_logits(context, decoder.forward(context, feeds, rows, any_reads ? &hidden : nullptr, ids), ids);
  Pass pass(feeds, rows, logits, decoder.config().vocabulary, any_reads ? ConstMatrix(hidden) : ConstMatrix());
  for (Generation* g : batch) {
    const std::int64_t before = pass.logit_rows();
    is_prompt ? g->take_prompt(context, pass) : g->take_step(context, pass);
    g->logits_computed_ += (pass.logit_rows() - before) * count_of(ids);
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
