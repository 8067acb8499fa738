#include "model/draft.h"

#include <algorithm>
#include <string>
#include <utility>

#include "kernels/elementwise.h"

namespace tessera {
namespace {

// Rows that wait until all layers read them at once.
constexpr std::int64_t kPending = 64;
// Rows that cost a layer no more than one: the weights are read once.
constexpr std::int64_t kFewRows = 8;

DecoderConfig one_layer(const DecoderConfig& decoder) {
  DecoderConfig config = decoder;
  config.layers = {decoder.draft.value()};
  return config;
}

std::string prefix_of(int layer) { return "model.mtp.layers." + std::to_string(layer) + "."; }

NormLayer norm(Context& context, Checkpoint& checkpoint, const std::string& name, const DecoderConfig& config) {
  return {context, checkpoint, name, config.hidden, NormLayer::Kind::rms, config.epsilon};
}

std::vector<float> last_row(Context& context, ConstMatrix x) {
  std::vector<float> row(static_cast<std::size_t>(x.columns));
  context.download(reinterpret_cast<const std::byte*>(x.row(x.rows - 1)), reinterpret_cast<std::byte*>(row.data()),
                   row.size() * sizeof(float));
  return row;
}

}  // namespace

struct DraftModel::Layer {
  NormLayer embedding_norm;
  NormLayer hidden_norm;
  LinearLayer join;
  NormLayer attention_norm;
  DecoderAttentionLayer attention;
  NormLayer mlp_norm;
  GatedMlp mlp;
  NormLayer final_norm;

  Layer(Context& context, Checkpoint& checkpoint, const std::string& prefix, const DecoderConfig& config)
      : embedding_norm(norm(context, checkpoint, prefix + "enorm", config)),
        hidden_norm(norm(context, checkpoint, prefix + "hnorm", config)),
        join(context, checkpoint, {{prefix + "eh_proj.weight", "", config.hidden}}, 2 * config.hidden),
        attention_norm(norm(context, checkpoint, prefix + "input_layernorm", config)),
        attention(context, checkpoint, prefix + "self_attn.", config.layers.front().attention, config),
        mlp_norm(norm(context, checkpoint, prefix + "pre_mlp_layernorm", config)),
        mlp(context, checkpoint, prefix + "mlp.", config.hidden, config.layers.front().width, config.activation,
            config.mlp_bias),
        final_norm(norm(context, checkpoint, prefix + "final_layernorm", config)) {}
};

DraftModel::DraftModel(Context& context, Checkpoint& checkpoint, const Decoder& decoder)
    : decoder_(decoder), config_(one_layer(decoder.config())) {
  while (checkpoint.has(prefix_of(layers()) + "eh_proj.weight")) {
    layers_.emplace_back(context, checkpoint, prefix_of(layers()), config_);
  }
  if (layers_.empty()) return;
  checkpoint.ignore_outside("model.mtp.");
  checkpoint.finish();
}

DraftModel::~DraftModel() = default;

int DraftModel::layers() const noexcept { return static_cast<int>(layers_.size()); }

DraftModel::State::State(Context& context, const DraftModel& model, std::int64_t capacity)
    : hidden_(context.allocate({kPending, model.config_.hidden})) {
  for (int k = 0; k < model.layers(); ++k) layers_.emplace_back(context, model.config_, capacity);
}

void DraftModel::State::observe(Context& context, const DraftModel& model, ConstMatrix hidden,
                                std::span<const std::int32_t> ids) {
  for (std::int64_t done = 0; done < hidden.rows;) {
    if (seen_ - first_ == kPending) model.settle(context, *this, ids);
    const std::int64_t rows = std::min(hidden.rows - done, kPending - (seen_ - first_));
    copy_rows(context, hidden.slice(done, rows), hidden_.matrix().slice(seen_ - first_, rows));
    seen_ += rows;
    done += rows;
  }
}

// Every layer reads what it can: rows whose ids are there, but for the last, which is asked for a proposal. Only keys
// and values come of it. The rest moves to the front.
void DraftModel::settle(Context& context, State& state, std::span<const std::int32_t> ids) const {
  const auto count = static_cast<std::int64_t>(ids.size());
  std::int64_t first = state.seen_;
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    Sequence& sequence = state.layers_[k];
    const std::int64_t end = std::min(state.seen_ - 1, count - 1 - static_cast<std::int64_t>(k));
    if (end > sequence.length()) {
      const BatchPart part{&sequence, 0, end - sequence.length()};
      layers_[k].attention.remember(context, std::span(&part, 1), 0, read_rows(context, k, state, ids, end).normed);
      sequence.advance(part.rows);
    }
    first = std::min(first, sequence.length());
  }
  const Matrix rows = state.hidden_;
  for (std::int64_t i = first; i < state.seen_; ++i) {
    copy_rows(context, rows.slice(i - state.first_, 1), rows.slice(i - first, 1));
  }
  state.first_ = first;
}

Tensor DraftModel::join(Context& context, const Layer& layer, ConstMatrix hidden,
                        const std::vector<std::int32_t>& ids) const {
  const std::int64_t width = config_.hidden;
  const Tensor both = context.scratch({hidden.rows, 2 * width});
  layer.embedding_norm.forward(context, decoder_.embed(context, ids), both.matrix().columns_from(0, width));
  layer.hidden_norm.forward(context, hidden, both.matrix().columns_from(width, width));
  return layer.join.forward(context, both);
}

// The layer's rows from where its cache ends to `end`; `ids` go on with proposals.
DraftModel::Rows DraftModel::read_rows(Context& context, std::size_t index, const State& state,
                                       std::span<const std::int32_t> ids, std::int64_t end) const {
  const Layer& layer = layers_[index];
  const std::int64_t first = state.layers_[index].length();
  const auto read = ids.subspan(static_cast<std::size_t>(first) + 1 + index, static_cast<std::size_t>(end - first));
  const ConstMatrix hidden = state.hidden_.matrix().slice(first - state.first_, end - first);
  Rows rows{join(context, layer, hidden, {read.begin(), read.end()}), context.scratch({end - first, config_.hidden})};
  layer.attention_norm.forward(context, rows.x, rows.normed);
  return rows;
}

// The rows stay to be advanced over.
Tensor DraftModel::run_layer(Context& context, std::size_t index, State& state, std::span<const std::int32_t> ids,
                             std::int64_t end) const {
  const Layer& layer = layers_[index];
  Rows rows = read_rows(context, index, state, ids, end);
  const Matrix x = rows.x;
  const BatchPart part{&state.layers_[index], 0, x.rows};
  layer.attention.forward(context, std::span(&part, 1), 0, rows.normed, x);
  layer.mlp_norm.forward(context, x, rows.normed);
  layer.mlp.forward(context, rows.normed, x, x);
  return std::move(rows.x);
}

std::vector<std::int32_t> DraftModel::propose(Context& context, State& state, std::span<const std::int32_t> ids,
                                              int count, const Pick& pick) const {
  const auto known = static_cast<std::int64_t>(ids.size());
  std::vector<std::int32_t> all(ids.begin(), ids.end());
  if (state.seen_ == 0) return {};
  if (state.seen_ - state.first_ > kFewRows) settle(context, state, ids);
  for (std::size_t k = 0; k < layers_.size() && static_cast<int>(k) < count; ++k) {
    const Tensor x = run_layer(context, k, state, all, state.seen_);
    const Matrix last = x.matrix().slice(x.dim(0) - 1, 1);
    layers_[k].final_norm.forward(context, last, last);
    const auto logits = last_row(context, decoder_.project(context, last));
    all.push_back(pick(logits, known + static_cast<std::int64_t>(k)));
    // Rows that read a proposal are run again when the id is known.
    Sequence& sequence = state.layers_[k];
    const std::int64_t settled = std::max<std::int64_t>(known - 1 - static_cast<std::int64_t>(k), 0);
    sequence.advance(std::max<std::int64_t>(settled - sequence.length(), 0));
  }
  return {all.begin() + known, all.end()};
}

std::unique_ptr<DraftModel> load_drafts(Context& context, const std::filesystem::path& folder, const Decoder& decoder) {
  if (!decoder.config().draft) return nullptr;
  Checkpoint checkpoint = open_weights(folder, decoder.config());
  auto drafts = std::make_unique<DraftModel>(context, checkpoint, decoder);
  return drafts->layers() == 0 ? nullptr : std::move(drafts);
}

}  // namespace tessera
