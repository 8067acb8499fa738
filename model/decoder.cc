#include "model/decoder.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <utility>

#include "kernels/elementwise.h"
#include "kernels/embedding.h"

namespace tessera {
namespace {

NormLayer final_norm(Context& context, Checkpoint& checkpoint, const std::string& name, const DecoderConfig& config) {
  return {context, checkpoint, name, config.hidden, NormLayer::Kind::rms, config.epsilon};
}

TensorRows widened(const TensorRows& rows, std::int64_t columns) {
  const WeightSource source({rows.stored}, columns);
  TensorRows wide;
  wide.owned.resize(static_cast<std::size_t>(source.rows() * columns));
  for (std::int64_t n = 0; n < source.rows(); ++n) (void)source.read(n, 0, columns, wide.owned.data() + n * columns);
  wide.stored = {reinterpret_cast<const std::byte*>(wide.owned.data()), DType::f32, source.rows()};
  return wide;
}

// As it is stored, but for FP8.
Tensor load_table(Context& context, Checkpoint& checkpoint, const DecoderConfig& config) {
  TensorRows rows = checkpoint.rows(embedding_name(), {config.vocabulary, config.hidden});
  if (rows.stored.scales.data != nullptr) rows = widened(rows, config.hidden);
  const DType type = rows.stored.type;
  Tensor table = context.allocate({config.vocabulary, config.hidden}, type);
  const std::size_t row = static_cast<std::size_t>(config.hidden) * size_of(type);
  if (context.device().is_cuda()) {
    context.upload(rows.stored.data, table.bytes(), static_cast<std::size_t>(config.vocabulary) * row);
    return table;
  }
  context.parallel_for(config.vocabulary, 256, [&](std::int64_t begin, std::int64_t end) {
    const std::size_t at = static_cast<std::size_t>(begin) * row;
    std::memcpy(table.bytes() + at, rows.stored.data + at, static_cast<std::size_t>(end - begin) * row);
  });
  return table;
}

Tensor to_device(Context& context, const std::vector<std::int32_t>& values) {
  Tensor tensor = context.scratch({static_cast<std::int64_t>(values.size())}, DType::i32);
  context.upload(values.data(), tensor.bytes(), values.size() * sizeof(std::int32_t));
  return tensor;
}

Tensor gather(Context& context, const Tensor& table, const std::vector<std::int32_t>& rows) {
  const Tensor ids = to_device(context, rows);
  Tensor out = context.scratch({ids.size(), table.dim(1)});
  embedding(context, table, ids.ints(), out);
  return out;
}

// Of the last layer.
std::string down_projection(const DecoderConfig& config) {
  const std::size_t last = config.layers.size() - 1;
  const LayerNames names = layer_names(config, last);
  const DecoderLayerConfig& layer = config.layers[last];
  return (layer.mixture && !layer.shortcut ? names.mixture + "experts.0." : names.mlp) + "down_proj.weight";
}

void require(bool holds, const std::string& what) {
  if (!holds) throw ArgumentError("decoder: " + what);
}

}  // namespace

// Rows that go through the layers together: pieces of feeds, and which of their rows give logits.
struct Decoder::Run {
  std::vector<std::int32_t> ids;
  std::vector<BatchPart> parts;
  std::vector<std::int32_t> wanted;

  [[nodiscard]] std::int64_t rows() const { return static_cast<std::int64_t>(ids.size()); }
  // Takes what fits of `left`, and returns the rest.
  std::span<const std::int32_t> take(Sequence& sequence, std::span<const std::int32_t> left, LogitRows which) {
    const std::int64_t first = rows();
    const std::size_t count = std::min(left.size(), static_cast<std::size_t>(kMostDecoderRows - first));
    ids.insert(ids.end(), left.begin(), left.begin() + static_cast<std::ptrdiff_t>(count));
    parts.push_back({&sequence, first, rows() - first});
    const bool ends = count == left.size();
    const std::int64_t from = which == LogitRows::all ? first : ends ? rows() - 1 : rows();
    for (std::int64_t i = from; i < rows(); ++i) wanted.push_back(static_cast<std::int32_t>(i));
    return left.subspan(count);
  }
};

Decoder::Decoder(Context& context, Checkpoint& checkpoint, DecoderConfig config)
    : config_(std::move(config)),
      embeddings_(load_table(context, checkpoint, config_)),
      norm_(final_norm(context, checkpoint, "model.norm", config_)),
      head_(context, checkpoint, {{head_name(config_), "", config_.vocabulary}}, config_.hidden) {
  for (std::size_t i = 0; i < config_.layers.size(); ++i) {
    layers_.emplace_back(context, checkpoint, layer_names(config_, i), config_.layers[i], config_);
  }
  checkpoint.ignore_prefix("model.mtp.");
  // What MiMo-V2.5 sees and hears with.
  for (const char* tower : {"visual.", "audio_encoder.", "speech_embeddings."}) checkpoint.ignore_prefix(tower);
  for (std::int64_t i = 0; i < config_.extra_layers; ++i)
    checkpoint.ignore_prefix(layer_prefix(stored_layers(config_) + static_cast<std::size_t>(i)));
  // Old Llama files carry the frequencies, some tied ones the table twice.
  checkpoint.ignore_suffix("rotary_emb.inv_freq");
  if (config_.tied) checkpoint.ignore_suffix("lm_head.weight");
  checkpoint.finish();
  parameters_ = checkpoint.parameters();
  storage_ = checkpoint.stored_type(down_projection(config_));
  is_fp8_ = checkpoint.is_e4m3(down_projection(config_));
}

std::int64_t Decoder::active_parameters() const {
  const std::int64_t table = config_.tied ? 0 : config_.vocabulary * config_.hidden;
  return parameters_ - table - idle_expert_parameters(config_);
}

Sequence Decoder::start(Context& context, std::int64_t capacity) const { return {context, config_, capacity}; }

void Decoder::check(std::span<const Feed> batch) const {
  std::set<const Sequence*> seen;
  for (const Feed& feed : batch) {
    require(feed.sequence != nullptr && !feed.ids.empty(), "a feed has a sequence and ids");
    require(seen.insert(feed.sequence).second, "a sequence occurs twice in a batch");
    const auto count = static_cast<std::int64_t>(feed.ids.size());
    require(count <= feed.sequence->capacity() - feed.sequence->length(),
            std::to_string(feed.sequence->length()) + " positions and " + std::to_string(count) +
                " more do not fit a sequence of " + std::to_string(feed.sequence->capacity()));
    for (const std::int32_t id : feed.ids) {
      require(id >= 0 && id < config_.vocabulary,
              "id " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(config_.vocabulary));
    }
  }
}

Tensor Decoder::forward(Context& context, std::span<const Feed> batch, LogitRows rows, Tensor* hidden,
                        std::span<const IdRange> only) const {
  check(batch);
  std::int64_t total = 0;
  for (const Feed& feed : batch) total += static_cast<std::int64_t>(feed.ids.size());
  const std::int64_t wanted = rows == LogitRows::all ? total : static_cast<std::int64_t>(batch.size());
  Tensor logits = context.scratch({wanted, config_.vocabulary});
  if (hidden != nullptr) *hidden = context.scratch({total, config_.hidden});
  std::int64_t done = 0;
  std::int64_t done_ids = 0;
  Run next;
  const auto finish_run = [&] {
    if (next.rows() == 0) return;
    context.check_interrupt();
    const auto count = static_cast<std::int64_t>(next.wanted.size());
    run(context, next, logits.matrix().slice(done, count),
        hidden == nullptr ? Matrix() : hidden->matrix().slice(done_ids, next.rows()), only);
    done += count;
    done_ids += next.rows();
    next = Run();
  };
  for (const Feed& feed : batch) {
    for (auto left = feed.ids; !left.empty();) {
      left = next.take(*feed.sequence, left, rows);
      if (next.rows() == kMostDecoderRows) finish_run();
    }
  }
  finish_run();
  return logits;
}

Tensor Decoder::forward(Context& context, Sequence& sequence, std::span<const std::int32_t> ids, LogitRows rows) const {
  const Feed feed{&sequence, ids};
  return forward(context, std::span(&feed, 1), rows);
}

Tensor Decoder::embed(Context& context, const std::vector<std::int32_t>& ids) const {
  return gather(context, embeddings_, ids);
}

Tensor Decoder::project(Context& context, ConstMatrix normed, std::span<const IdRange> only) const {
  Tensor logits = context.scratch({normed.rows, config_.vocabulary});
  project_into(context, normed, only, logits);
  return logits;
}

void Decoder::project_into(Context& context, ConstMatrix normed, std::span<const IdRange> only, Matrix logits) const {
  if (only.empty()) return head_.forward_into(context, normed, {}, logits);
  for (const IdRange& ids : only) head_.forward_into(context, normed, {}, logits, {ids.first, ids.count});
}

void Decoder::normalise(Context& context, ConstMatrix hidden, Matrix out) const { norm_.forward(context, hidden, out); }

void Decoder::run(Context& context, const Run& rows, Matrix logits, Matrix hidden,
                  std::span<const IdRange> only) const {
  const Tensor x = embed(context, rows.ids);
  Tensor unread;  // by the experts of the layer before
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Tensor next = layers_[i].forward(context, rows.parts, i, x);
    if (unread.size() > 0) layers_[i - 1].add_experts(context, unread, x);
    unread = std::move(next);
  }
  for (const BatchPart& part : rows.parts) part.sequence->advance(part.rows);
  if (hidden.data != nullptr) copy_rows(context, x, hidden);
  if (rows.wanted.empty()) return;
  const Tensor last = gather(context, x, rows.wanted);
  normalise(context, last, last);
  project_into(context, last, only, logits);
}

Checkpoint open_weights(const std::filesystem::path& folder, const DecoderConfig& config) {
  Checkpoint checkpoint(folder);
  if (config.scale_rows > 0) checkpoint.set_scale_blocks(config.scale_rows, config.scale_columns);
  return checkpoint;
}

std::unique_ptr<Decoder> load_decoder(Context& context, const std::filesystem::path& folder) {
  const Config config = Config::read(folder);
  DecoderConfig decoder = read_decoder_config(config);
  Checkpoint checkpoint = open_weights(folder, decoder);
  return std::make_unique<Decoder>(context, checkpoint, std::move(decoder));
}

}  // namespace tessera
