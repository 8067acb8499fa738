#include "model/draft.h"

#include <algorithm>
#include <string>
#include <utility>

#include "kernels/elementwise.h"
#include "kernels/error.h"
#include "kernels/quantised.h"
#include "model/likely_ids.h"

namespace tessera {
namespace {

// Rows that wait until all layers read them at once.
constexpr std::int64_t kPending = 64;
// Rows that cost a layer no more than one: the weights are read once.
constexpr std::int64_t kFewRows = 8;
// Ids that a chained layer drafts outside of frames, and at most.
constexpr int kChained = 3;
constexpr int kMostChained = 64;

DecoderConfig one_layer(const DecoderConfig& decoder) {
  DecoderConfig config = decoder;
  config.layers = {decoder.draft.value().layer};
  return config;
}

PackedWeights narrow_head(Context& context, Checkpoint& checkpoint, const DecoderConfig& config) {
  const TensorRows rows = checkpoint.rows(head_name(config), {config.vocabulary, config.hidden});
  return quantised::pack(context, WeightSource({rows.stored}, config.hidden), WeightCodes::int4);
}

// A sequence's ids and what is drafted behind them.
struct Ids {
  std::span<const std::int32_t> known;
  std::vector<std::int32_t> drafted;

  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(known.size()); }
  [[nodiscard]] std::int32_t at(std::int64_t position) const {
    return position < count() ? known[static_cast<std::size_t>(position)]
                              : drafted[static_cast<std::size_t>(position - count())];
  }
};

}  // namespace

// What one sequence carries: each layer's keys and values, and the decoder's rows that they have not read yet.
class DraftModel::Session : public Drafter {
 public:
  Session(Context& context, const DraftModel& model, std::int64_t capacity)
      : model_(model), hidden_(context.allocate({kPending, model.config_.hidden})) {
    for (int k = 0; k < model.layers(); ++k) sequences_.emplace_back(context, model.config_, capacity);
    if (model.likely_only_) likely_.emplace(model.config_.vocabulary);
  }

  void observe(Context& context, ConstMatrix hidden, std::span<const std::int32_t> ids) override;
  std::vector<std::int32_t> propose(Context& context, std::span<const std::int32_t> ids, int count,
                                    const Pick& pick) override;
  [[nodiscard]] bool reaches(std::int64_t length) const override;
  [[nodiscard]] std::unique_ptr<Drafter> fork(Context& context, std::int64_t length,
                                              std::int64_t capacity) const override;
  [[nodiscard]] std::int64_t bytes_beside(std::set<const Tensor*>& counted) const override;

 private:
  // As after the first `length` positions of another.
  Session(Context& context, const Session& other, std::int64_t length, std::int64_t capacity);

  void settle(Context& context, const Ids& ids);
  [[nodiscard]] std::vector<std::int32_t> ids_read(const Ids& ids, std::size_t layer, std::int64_t end) const;
  [[nodiscard]] ConstMatrix rows_read(std::size_t layer, std::int64_t end) const;
  [[nodiscard]] Tensor run(Context& context, std::size_t layer, const Ids& ids);
  [[nodiscard]] Tensor run_on(Context& context, const Ids& ids, ConstMatrix own);
  [[nodiscard]] std::int32_t draw(Context& context, std::size_t layer, Matrix row, std::int64_t position,
                                  const Pick& pick) const;
  void draft_by_layers(Context& context, Ids& ids, int count, const Pick& pick);
  void draft_by_chain(Context& context, Ids& ids, int count, const Pick& pick);

  const DraftModel& model_;
  std::vector<Sequence> sequences_;  // by layer
  Tensor hidden_;                    // [kPending, hidden]: rows of positions first_ … seen_ - 1
  std::int64_t first_ = 0;           // everything before is in every layer's cache
  std::int64_t seen_ = 0;
  std::optional<LikelyIds> likely_;  // none: all are
};

DraftModel::Session::Session(Context& context, const Session& other, std::int64_t length, std::int64_t capacity)
    : model_(other.model_), hidden_(context.allocate(other.hidden_.shape())), first_(other.first_), seen_(length) {
  if (model_.likely_only_) likely_.emplace(model_.config_.vocabulary);
  for (const Sequence& layer : other.sequences_) {
    sequences_.push_back(layer.fork(context, std::min(layer.length(), length - 1), capacity));
  }
  copy_rows(context, other.hidden_.matrix().slice(0, seen_ - first_), hidden_.matrix().slice(0, seen_ - first_));
}

// A layer's newest row is read again, so that it must be there.
bool DraftModel::Session::reaches(std::int64_t length) const {
  return length <= seen_ && length > first_ && std::all_of(sequences_.begin(), sequences_.end(), [&](const auto& s) {
           return s.reaches(std::min(s.length(), length - 1));
         });
}

std::unique_ptr<Drafter> DraftModel::Session::fork(Context& context, std::int64_t length, std::int64_t capacity) const {
  if (!reaches(length)) throw ArgumentError("drafts have no fork of " + std::to_string(length) + " positions");
  return std::unique_ptr<Drafter>(new Session(context, *this, length, capacity));
}

std::int64_t DraftModel::Session::bytes_beside(std::set<const Tensor*>& counted) const {
  std::int64_t bytes = hidden_.size() * static_cast<std::int64_t>(sizeof(float));
  for (const Sequence& layer : sequences_) bytes += layer.bytes_beside(counted);
  return bytes;
}

void DraftModel::Session::observe(Context& context, ConstMatrix hidden, std::span<const std::int32_t> ids) {
  for (std::int64_t done = 0; done < hidden.rows;) {
    if (seen_ - first_ == kPending) settle(context, {ids, {}});
    const std::int64_t rows = std::min(hidden.rows - done, kPending - (seen_ - first_));
    const Matrix free = hidden_.matrix().slice(seen_ - first_, rows);
    if (model_.chained_) {
      model_.decoder_.normalise(context, hidden.slice(done, rows), free);
    } else {
      copy_rows(context, hidden.slice(done, rows), free);
    }
    seen_ += rows;
    done += rows;
  }
}

// What the layer's rows read, from where its cache ends to `end`.
std::vector<std::int32_t> DraftModel::Session::ids_read(const Ids& ids, std::size_t layer, std::int64_t end) const {
  std::vector<std::int32_t> read;
  for (std::int64_t t = sequences_[layer].length(); t < end; ++t) {
    read.push_back(ids.at(t + 1 + static_cast<std::int64_t>(layer)));
  }
  return read;
}

ConstMatrix DraftModel::Session::rows_read(std::size_t layer, std::int64_t end) const {
  const std::int64_t first = sequences_[layer].length();
  return hidden_.matrix().slice(first - first_, end - first);
}

// Every layer reads what it can: rows whose ids are there, but for the last, which is asked for a proposal. The rest
// moves to the front.
void DraftModel::Session::settle(Context& context, const Ids& ids) {
  std::int64_t first = seen_;
  for (std::size_t k = 0; k < sequences_.size(); ++k) {
    Sequence& sequence = sequences_[k];
    const std::int64_t end = std::min(seen_ - 1, ids.count() - 1 - static_cast<std::int64_t>(k));
    if (end > sequence.length()) {
      const auto read = ids_read(ids, k, end);
      model_.layers_[k].remember(context, model_.decoder_, sequence, rows_read(k, end), read);
      sequence.advance(end - sequence.length());
    }
    first = std::min(first, sequence.length());
  }
  const Matrix rows = hidden_;
  for (std::int64_t i = first; i < seen_; ++i) {
    copy_rows(context, rows.slice(i - first_, 1), rows.slice(i - first, 1));
  }
  first_ = first;
}

// All rows that the layer has not read; the last one's result.
Tensor DraftModel::Session::run(Context& context, std::size_t layer, const Ids& ids) {
  const Tensor x = model_.layers_[layer].forward(context, model_.decoder_, sequences_[layer], rows_read(layer, seen_),
                                                 ids_read(ids, layer, seen_));
  Tensor last = context.scratch({1, x.dim(1)});
  copy_rows(context, x.matrix().slice(x.dim(0) - 1, 1), last);
  return last;
}

// One row more: the newest draft and what the layer made of the one before.
Tensor DraftModel::Session::run_on(Context& context, const Ids& ids, ConstMatrix own) {
  return model_.layers_[0].forward(context, model_.decoder_, sequences_[0], own, {ids.drafted.back()});
}

// Norms the row, and picks the id of a position.
std::int32_t DraftModel::Session::draw(Context& context, std::size_t layer, Matrix row, std::int64_t position,
                                       const Pick& pick) const {
  model_.layers_[layer].normalise(context, row);
  WantedIds wanted;
  if (pick.reach) wanted.add(pick.reach(position));
  auto panels = wanted.panels(model_.config_.vocabulary);
  if (likely_) panels = likely_->of(panels);
  const Tensor logits = model_.project(context, row, panels);
  return pick.draw(download_logits(context, logits, panels), position);
}

void DraftModel::Session::draft_by_layers(Context& context, Ids& ids, int count, const Pick& pick) {
  for (std::size_t k = 0; k < sequences_.size() && static_cast<int>(k) < count; ++k) {
    const auto depth = static_cast<std::int64_t>(k);
    const Tensor row = run(context, k, ids);
    ids.drafted.push_back(draw(context, k, row, ids.count() + depth, pick));
    // Rows that read a draft are run again when the id is known.
    Sequence& sequence = sequences_[k];
    const std::int64_t settled = std::max<std::int64_t>(ids.count() - 1 - depth, 0);
    sequence.advance(std::max<std::int64_t>(settled - sequence.length(), 0));
  }
}

void DraftModel::Session::draft_by_chain(Context& context, Ids& ids, int count, const Pick& pick) {
  Sequence& sequence = sequences_[0];
  Tensor row = run(context, 0, ids);
  sequence.advance(seen_ - sequence.length());
  for (int k = 0;; ++k) {
    ids.drafted.push_back(draw(context, 0, row, ids.count() + k, pick));
    if (k + 1 >= std::min(count, kMostChained)) break;
    row = run_on(context, ids, row);
    sequence.advance(1);
  }
  sequence.truncate(seen_);  // to the rows whose ids are known
}

std::vector<std::int32_t> DraftModel::Session::propose(Context& context, std::span<const std::int32_t> known, int count,
                                                       const Pick& pick) {
  if (seen_ == 0 || count <= 0) return {};
  Ids ids{known, {}};
  if (likely_) likely_->observe(known);
  if (seen_ - first_ > kFewRows) settle(context, ids);
  model_.chained_ ? draft_by_chain(context, ids, count, pick) : draft_by_layers(context, ids, count, pick);
  return std::move(ids.drafted);
}

DraftModel::DraftModel(Context& context, Checkpoint& checkpoint, const Decoder& decoder,
                       const DraftThresholds& thresholds)
    : decoder_(decoder), config_(one_layer(decoder.config())), chained_(decoder.config().draft->chained) {
  const bool narrow = context.weights() == WeightStorage::stored && decoder.parameters() > thresholds.most_stored;
  const KeepWeights kept(context, narrow ? WeightStorage::int4 : context.weights());
  const auto names = [&] { return draft_names(decoder.config(), layers()); };
  while (checkpoint.has(names().join) && !(chained_ && layers() == 1)) {
    layers_.emplace_back(context, checkpoint, names(), config_);
  }
  if (layers_.empty()) return;
  if (narrow) {
    head_ = narrow_head(context, checkpoint, config_);
    const auto head = static_cast<double>(config_.vocabulary * config_.hidden);
    likely_only_ = head > thresholds.most_of_step * static_cast<double>(decoder.active_parameters());
  }
  const DraftNames first = draft_names(decoder.config(), 0);
  checkpoint.ignore_outside(first.all);
  for (const std::string& prefix : first.repeated) checkpoint.ignore_prefix(prefix);
  checkpoint.ignore_suffix("rotary_emb.inv_freq");
  checkpoint.finish();
}

Tensor DraftModel::project(Context& context, ConstMatrix normed, std::span<const IdRange> only) const {
  if (!head_) return decoder_.project(context, normed, only);
  Tensor logits = context.scratch({normed.rows, config_.vocabulary});
  if (only.empty()) product(context, normed, *head_, {}, logits);
  for (const IdRange& ids : only) product(context, normed, *head_, {}, logits, {ids.first, ids.count});
  return logits;
}

int DraftModel::reach(int frame) const {
  if (!chained_) return layers();
  return frame > 0 ? std::min(frame, kMostChained) : kChained;
}

std::int64_t DraftModel::bytes(std::int64_t capacity) const {
  const std::int64_t rows = kPending * config_.hidden * static_cast<std::int64_t>(sizeof(float));
  return layers() * Sequence::bytes(config_, capacity) + rows;
}

std::unique_ptr<Drafter> DraftModel::start(Context& context, std::int64_t capacity) const {
  return std::make_unique<Session>(context, *this, capacity);
}

std::unique_ptr<DraftModel> load_drafts(Context& context, const std::filesystem::path& folder, const Decoder& decoder,
                                        const DraftThresholds& thresholds) {
  if (!decoder.config().draft) return nullptr;
  Checkpoint checkpoint = open_weights(folder, decoder.config());
  auto drafts = std::make_unique<DraftModel>(context, checkpoint, decoder, thresholds);
  return drafts->layers() == 0 ? nullptr : std::move(drafts);
}

}  // namespace tessera
