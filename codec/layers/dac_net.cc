#include "codec/layers/dac_net.h"

#include "codec/layers/pieces.h"

namespace tessera {
namespace {

constexpr std::int64_t kKernel = 7;
constexpr std::array<std::int64_t, 3> kDilations = {1, 3, 9};

std::string numbered(const std::string& prefix, std::size_t index) { return prefix + "." + std::to_string(index); }

// Tensor names of the network's parts under either layout.
class Names {
 public:
  explicit Names(const DacShape& s) : s_(s), blocks_(s.encoder_rates.size()) {}

  [[nodiscard]] std::string encoder_first() const { return hf("encoder.conv1", "encoder.block.0"); }
  [[nodiscard]] DacBlockNames encoder_block(std::size_t i) const {
    if (s_.hugging_face) return hf_block(numbered("encoder.block", i), "conv1");
    const std::string block = numbered("encoder.block", i + 1) + ".block";
    return {units(block, 0), numbered(block, 3), numbered(block, 4), ""};
  }
  [[nodiscard]] std::string encoder_attention() const { return numbered("encoder.block", blocks_ + 1); }
  [[nodiscard]] std::string encoder_snake() const {
    return hf("encoder.snake1", numbered("encoder.block", blocks_ + 1));
  }
  [[nodiscard]] std::string encoder_last() const {
    const std::size_t skipped = s_.snac && s_.attention_window == 0 ? 1 : 2;
    return hf("encoder.conv2", numbered("encoder.block", blocks_ + skipped));
  }

  [[nodiscard]] std::string decoder_first(std::size_t i) const {
    return hf("decoder.conv1", numbered("decoder.model", i));
  }
  [[nodiscard]] std::string decoder_attention() const { return numbered("decoder.model", first_layers()); }
  [[nodiscard]] DacBlockNames decoder_block(std::size_t i) const {
    if (s_.hugging_face) return hf_block(numbered("decoder.block", i), "conv_t1");
    const std::string block = decoder_layer(i) + ".block";
    return {units(block, s_.noise ? 3 : 2), numbered(block, 0), numbered(block, 1),
            s_.noise ? numbered(block, 2) + ".linear" : ""};
  }
  [[nodiscard]] std::string decoder_snake() const {
    return hf("decoder.snake1", decoder_layer(s_.decoder_rates.size()));
  }
  [[nodiscard]] std::string decoder_last() const {
    return hf("decoder.conv2", decoder_layer(s_.decoder_rates.size() + 1));
  }

 private:
  [[nodiscard]] std::string hf(const char* theirs, const std::string& original) const {
    return s_.hugging_face ? theirs : original;
  }
  [[nodiscard]] std::size_t first_layers() const { return s_.snac && s_.depthwise ? 2 : 1; }
  [[nodiscard]] std::string decoder_layer(std::size_t i) const {
    return numbered("decoder.model", first_layers() + (s_.attention_window == 0 ? 0 : 1) + i);
  }
  static DacBlockNames hf_block(const std::string& block, const char* conv) {
    DacBlockNames names{{}, block + ".snake1", block + "." + conv, ""};
    for (std::size_t j = 0; j < names.units.size(); ++j) {
      const std::string unit = block + ".res_unit" + std::to_string(j + 1);
      names.units[j] = {unit + ".snake1", unit + ".conv1", unit + ".snake2", unit + ".conv2"};
    }
    return names;
  }
  static std::array<DacUnitNames, 3> units(const std::string& block, std::size_t first) {
    std::array<DacUnitNames, 3> names;
    for (std::size_t j = 0; j < names.size(); ++j) {
      const std::string unit = numbered(block, first + j) + ".block";
      names[j] = {numbered(unit, 0), numbered(unit, 1), numbered(unit, 2), numbered(unit, 3)};
    }
    return names;
  }

  const DacShape& s_;
  std::size_t blocks_;
};

PointLayer load_snake(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t channels) {
  return make_snake(context, checkpoint.floats(name + ".alpha", {1, channels, 1}));
}

// As many frames out as in.
ConvLayer::Options same(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t dilation = 1,
                        std::int64_t groups = 1) {
  ConvLayer::Options options;
  options.shape = {in, out, kernel, 1, dilation, groups};
  options.left = options.right = (kernel - 1) * dilation / 2;
  return options;
}

ConvLayer::Options down(std::int64_t in, std::int64_t rate) {
  ConvLayer::Options options;
  options.shape = {in, 2 * in, 2 * rate, rate, 1, 1};
  options.left = options.right = (rate + 1) / 2;
  return options;
}

ConvTransposeLayer::Options up(std::int64_t in, std::int64_t rate, bool snac) {
  ConvTransposeLayer::Options options;
  options.shape = {in, in / 2, 2 * rate, rate, 1, 1};
  options.trim = (rate + 1) / 2;
  options.grow = snac ? 0 : -(rate % 2);
  return options;
}

ConvLayer load_encoder_last(Context& context, Checkpoint& checkpoint, const DacShape& s) {
  const Names names(s);
  const std::int64_t width = s.encoder_width << s.encoder_rates.size();
  if (s.snac)
    return {context, checkpoint, names.encoder_last(), same(width, width, kKernel, 1, s.depthwise ? width : 1)};
  return {context, checkpoint, names.encoder_last(), same(width, s.latent, 3),
          load_snake(context, checkpoint, names.encoder_snake(), width)};
}

void add_units(Context& context, Checkpoint& checkpoint, const DacBlockNames& names, std::int64_t channels,
               bool depthwise, std::vector<DacUnit>& units) {
  for (std::size_t j = 0; j < names.units.size(); ++j) {
    units.emplace_back(context, checkpoint, names.units[j], channels, kDilations[j], depthwise);
  }
}

Tensor run_units(Context& context, const std::vector<DacUnit>& units, std::vector<DacUnit::State>& states,
                 std::size_t stage, ConstMatrix input, bool last) {
  Tensor x;
  for (std::size_t j = stage * kDilations.size(); j < (stage + 1) * kDilations.size(); ++j) {
    x = units[j].forward(context, states[j], input, last);
    input = x;
  }
  return x;
}

}  // namespace

std::int64_t DacShape::hop() const {
  std::int64_t product = 1;
  for (const std::int64_t rate : encoder_rates) product *= rate;
  return product;
}

DacUnit::DacUnit(Context& context, Checkpoint& checkpoint, const DacUnitNames& names, std::int64_t channels,
                 std::int64_t dilation, bool depthwise)
    : inner_(context, checkpoint, names.conv1, same(channels, channels, kKernel, dilation, depthwise ? channels : 1),
             load_snake(context, checkpoint, names.snake1, channels)),
      outer_(context, checkpoint, names.conv2, same(channels, channels, 1),
             load_snake(context, checkpoint, names.snake2, channels)) {}

Tensor DacUnit::forward(Context& context, State& state, ConstMatrix x, bool last) const {
  const Tensor hidden = inner_.forward(context, state.inner, x, {}, last);
  Epilogue sum;
  sum.residual = state.delay.exchange(context, x, hidden.dim(0));
  ConvLayer::State none;
  return outer_.forward(context, none, hidden, sum, last);
}

DacEncoder::DacEncoder(Context& context, Checkpoint& checkpoint, const DacShape& s)
    : first_(context, checkpoint, Names(s).encoder_first(), same(1, s.encoder_width, kKernel)),
      last_(load_encoder_last(context, checkpoint, s)) {
  const Names names(s);
  std::int64_t channels = s.encoder_width;
  for (std::size_t i = 0; i < s.encoder_rates.size(); ++i, channels *= 2) {
    const DacBlockNames block = names.encoder_block(i);
    add_units(context, checkpoint, block, channels, s.depthwise, units_);
    down_.emplace_back(context, checkpoint, block.conv, down(channels, s.encoder_rates[i]),
                       load_snake(context, checkpoint, block.snake, channels));
  }
  if (s.attention_window == 0) return;
  attention_.emplace(context, checkpoint, names.encoder_attention(), channels, s.attention_window);
}

DacEncoder::State DacEncoder::start() const {
  State state;
  state.units.resize(units_.size());
  state.down.resize(down_.size());
  return state;
}

Tensor DacEncoder::stage(Context& context, State& state, std::size_t i, ConstMatrix x, bool last) const {
  Tensor first;
  if (i == 0) {
    first = first_.forward(context, state.first, x, {}, last);
    x = first;
  }
  const Tensor hidden = run_units(context, units_, state.units, i, x, last);
  return down_[i].forward(context, state.down[i], hidden, {}, last);
}

Tensor DacEncoder::forward(Context& context, State& state, ConstMatrix samples, bool last) const {
  Tensor x;
  ConstMatrix input = samples;
  for (std::size_t i = 0; i < down_.size(); ++i) {
    const ConvShape& down = down_[i].shape();
    const std::int64_t frames = piece_frames(down.in_channels * down.stride) * down.stride;
    x = in_pieces(context, input, frames, down.out_channels, last,
                  [&](ConstMatrix piece, bool end) { return stage(context, state, i, piece, end); });
    input = x;
  }
  if (attention_) x = attention_->forward(context, state.attention, std::move(x));
  return last_.forward(context, state.last, x, {}, last);
}

std::int64_t DacEncoder::ready(std::int64_t samples) const noexcept {
  std::int64_t frames = first_.ready(samples);
  for (std::size_t i = 0; i < down_.size(); ++i) {
    for (std::size_t j = 0; j < kDilations.size(); ++j) frames = units_[i * kDilations.size() + j].ready(frames);
    frames = down_[i].ready(frames);
  }
  if (attention_) frames = attention_->ready(frames);
  return last_.ready(frames);
}

DacDecoder::DacDecoder(Context& context, Checkpoint& checkpoint, const DacShape& s) {
  const Names names(s);
  const std::int64_t width = s.decoder_width;
  if (s.snac && s.depthwise) {
    first_.emplace_back(context, checkpoint, names.decoder_first(0), same(s.latent, s.latent, kKernel, 1, s.latent));
    first_.emplace_back(context, checkpoint, names.decoder_first(1), same(s.latent, width, 1));
  } else {
    first_.emplace_back(context, checkpoint, names.decoder_first(0), same(s.latent, width, kKernel));
  }
  if (s.attention_window != 0) {
    attention_.emplace(context, checkpoint, names.decoder_attention(), width, s.attention_window);
  }
  std::int64_t channels = width;
  for (std::size_t i = 0; i < s.decoder_rates.size(); ++i, channels /= 2) {
    const DacBlockNames block = names.decoder_block(i);
    up_.emplace_back(context, checkpoint, block.conv, up(channels, s.decoder_rates[i], s.snac),
                     load_snake(context, checkpoint, block.snake, channels));
    add_units(context, checkpoint, block, channels / 2, s.depthwise, units_);
  }
  last_.emplace(context, checkpoint, names.decoder_last(), same(channels, 1, kKernel),
                load_snake(context, checkpoint, names.decoder_snake(), channels));
}

DacDecoder::State DacDecoder::start(Context& context) const {
  State state;
  state.first.resize(first_.size());
  for (const ConvTransposeLayer& layer : up_) state.up.push_back(layer.start(context));
  state.units.resize(units_.size());
  return state;
}

// Stage i: its transposed convolution, then its residual units; the last also makes samples of the channels.
Tensor DacDecoder::stage(Context& context, State& state, std::size_t i, ConstMatrix x, bool last) const {
  const Tensor larger = up_[i].forward(context, state.up[i], x, last);
  Tensor hidden = run_units(context, units_, state.units, i, larger, last);
  if (i + 1 < up_.size()) return hidden;
  Epilogue tanh;
  tanh.activation = Activation::tanh;
  return last_->forward(context, state.last, hidden, tanh, last);
}

Tensor DacDecoder::forward(Context& context, State& state, ConstMatrix latent, bool last) const {
  Tensor x;
  ConstMatrix input = latent;
  for (std::size_t i = 0; i < first_.size(); ++i) {
    x = first_[i].forward(context, state.first[i], input, {}, last);
    input = x;
  }
  if (attention_) x = attention_->forward(context, state.attention, std::move(x));
  for (std::size_t i = 0; i < up_.size(); ++i) {
    const ConvShape& up = up_[i].shape();
    const std::int64_t columns = i + 1 == up_.size() ? 1 : up.out_channels;
    const std::int64_t frames = piece_frames(up.out_channels * up.stride);
    x = in_pieces(context, x, frames, columns, last,
                  [&](ConstMatrix piece, bool end) { return stage(context, state, i, piece, end); });
  }
  return x;
}

std::int64_t DacDecoder::ready(std::int64_t frames) const noexcept {
  for (const ConvLayer& layer : first_) frames = layer.ready(frames);
  if (attention_) frames = attention_->ready(frames);
  for (std::size_t i = 0; i < up_.size(); ++i) {
    frames = up_[i].ready(frames);
    for (std::size_t j = 0; j < kDilations.size(); ++j) frames = units_[i * kDilations.size() + j].ready(frames);
  }
  return last_->ready(frames);
}

}  // namespace tessera
