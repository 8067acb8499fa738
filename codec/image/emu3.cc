#include "codec/image/families.h"
#include "codec/image/trunk_config.h"
#include "codec/layers/time_conv.h"
#include "kernels/error.h"

namespace tessera {
namespace {

struct Emu3Shape {
  TrunkShape encoder;
  TrunkShape decoder;
  std::string prefix;
  std::int64_t codebook_size = 0;
  std::int64_t width = 0;  ///< of latents and of codebook entries
  int time_steps = 0;      ///< halvings in time
  int time_blocks = 0;
};

// What transformers moved out of the attention blocks.
void name_as_transformers(TrunkNames& names, const std::string& levels) {
  names.levels = names.trunk + "." + levels;
  names.first = "middle_block.block_1";
  names.attention = "middle_block.attn_1";
  names.middle_norm = "middle_block.attn_norm";
  names.last = "middle_block.block_2";
  names.level_norms = "attn_norms";
  names.q = "q_proj", names.k = "k_proj", names.v = "v_proj", names.out = "out_proj";
}

int halvings(const Config& config, std::int64_t factor) {
  int steps = 0;
  for (; factor > 1 && factor % 2 == 0; factor /= 2) ++steps;
  if (factor == 1) return steps;
  throw CheckpointError(config.name() + ": \"temporal_downsample_factor\" must be a power of two");
}

TrunkSizes read_sizes(const Config& config, const std::string& root) {
  TrunkKeys keys;
  if (config.has("ch_mult"))
    keys.base = "ch", keys.multipliers = "ch_mult", keys.latent = "z_channels", keys.doubled = "double_z";
  TrunkSizes defaults;
  defaults.base = 256;
  defaults.multipliers = {1, 2, 2, 4};
  defaults.latent = 4;
  TrunkSizes sizes = read_trunk_sizes(config, root, keys, defaults);
  sizes.attention = {3};
  if (!config.has(root + "attn_resolutions")) return sizes;
  const std::vector<std::int64_t> levels = config.integers(root + "attn_resolutions", 0, 1 << 20);
  sizes.attention = {levels.begin(), levels.end()};
  return sizes;
}

Emu3Shape read_emu3(const Config& config, const Checkpoint& checkpoint) {
  const std::string root = config_root(config);
  const TrunkSizes sizes = read_sizes(config, root);
  Emu3Shape s;
  s.prefix = find_prefix(checkpoint, {"model.vqmodel.", "vqmodel.", ""}, "quantize.embedding.weight");
  s.codebook_size = integer_or(config, root + "codebook_size", 32768, 2, 1 << 24);
  s.width = integer_or(config, root + "embed_dim", 4, 1, 1 << 10);
  if (s.width != sizes.latent || s.width != sizes.encoder_out) {
    throw CheckpointError(config.name() + ": the encoder's channels and \"embed_dim\" must be the same");
  }
  s.time_steps = halvings(config, integer_or(config, root + "temporal_downsample_factor", 4, 1, 1 << 10));
  s.time_blocks = static_cast<int>(sizes.blocks);
  s.encoder = encoder_of(sizes);
  s.encoder.names = taming_encoder_names(s.prefix);
  s.decoder = decoder_of(sizes);
  s.decoder.names = taming_decoder_names(s.prefix);
  s.decoder.norm.map_channels = s.width;
  if (checkpoint.has(s.prefix + "encoder.down_block.down.0.block.0.conv1.weight")) {
    name_as_transformers(s.encoder.names, "down_block.down");
    name_as_transformers(s.decoder.names, "up_block.up");
    s.encoder.heads = static_cast<int>(integer_or(config, root + "num_attention_heads", 1, 1, 64));
    s.decoder.heads = s.encoder.heads;
  }
  return s;
}

/// Emu3's time stages, kernels over the frames' latents.
struct TimeStack {
  std::vector<TimeResnetBlock> blocks;
  std::vector<TimeConv> convs;  ///< each followed by swish

  TimeStack(Context& context, Checkpoint& checkpoint, const std::string& name, const Emu3Shape& s,
            const TimeConv::Options& conv) {
    for (int i = 0; i < s.time_blocks; ++i) {
      blocks.emplace_back(context, checkpoint, name + ".time_res_stack." + std::to_string(i), s.width);
    }
    for (int i = 0; i < s.time_steps; ++i) {
      convs.emplace_back(context, checkpoint, name + ".time_conv." + std::to_string(i) + ".conv.conv", conv);
    }
  }
  [[nodiscard]] Frames run_blocks(Context& context, Frames frames) const {
    for (const TimeResnetBlock& block : blocks) frames = block.forward(context, views_of(frames));
    return frames;
  }
};

class Emu3 final : public ImageCodec {
 public:
  Emu3(Context& context, Checkpoint& checkpoint, const Emu3Shape& s)
      : encoder_(context, checkpoint, s.encoder),
        shrink_(context, checkpoint, s.prefix + "encoder", s, {s.width, s.width, 4, 2}),
        quant_conv_(context, checkpoint, s.prefix + "quant_conv.conv", {s.width, s.width, 3, 1, 1}),
        quantizer_(load_codebook_quantizer(context, checkpoint, s.prefix + "quantize", s.codebook_size, s.width,
                                           Search::nearest)),
        post_quant_conv_(context, checkpoint, s.prefix + "post_quant_conv.conv", {s.width, s.width, 3, 1, 1}),
        grow_(context, checkpoint, s.prefix + "decoder", s, {s.width, s.width}),
        decoder_(context, checkpoint, s.decoder) {
    checkpoint.ignore_outside(s.prefix);
    checkpoint.ignore_suffix(".num_batches_tracked");
    checkpoint.finish();
    info_.family = "emu3";
    info_.codebook_sizes = {quantizer_->size()};
    info_.factor = static_cast<int>(s.encoder.factor());
    info_.time_factor = 1 << s.time_steps;
    info_.parameters = checkpoint.parameters();
  }

  [[nodiscard]] const ImageCodecInfo& info() const override { return info_; }
  [[nodiscard]] Codes encode(Context& context, const FloatPicture& picture) const override;
  [[nodiscard]] FloatPicture decode(Context& context, const Codes& codes) const override;

 private:
  [[nodiscard]] Frames latents(Context& context, const FloatPicture& picture) const;
  [[nodiscard]] Frames grown(Context& context, Frames frames) const;

  Trunk encoder_;
  TimeStack shrink_;
  TimeConv quant_conv_;
  std::unique_ptr<PositionQuantizer> quantizer_;
  TimeConv post_quant_conv_;
  TimeStack grow_;
  Trunk decoder_;
  ImageCodecInfo info_;
};

// A picture is a video of time_factor equal frames.
Frames Emu3::latents(Context& context, const FloatPicture& picture) const {
  Frames frames;
  for (std::int64_t t = 0; t < picture.frames; ++t) {
    frames.push_back(encoder_.forward(context, upload_frame(context, picture, t)));
  }
  FrameViews views = views_of(frames);
  if (picture.frames == 1) views.assign(static_cast<std::size_t>(info_.time_factor), frames.front());
  for (const TimeConv& conv : shrink_.convs) {
    frames = conv.forward(context, views, Activation::silu);
    views = views_of(frames);
  }
  frames = shrink_.run_blocks(context, std::move(frames));
  return quant_conv_.forward(context, views_of(frames), Activation::none);
}

Codes Emu3::encode(Context& context, const FloatPicture& picture) const {
  check_picture(context, info_, picture);
  Codes codes;
  std::vector<std::int32_t>& row = codes.rows.emplace_back();
  for (const PictureTensor& latent : latents(context, picture)) {
    const Tensor x = compact(context, latent);
    const Tensor ids = context.scratch({x.dim(0)}, DType::i32);
    quantizer_->encode(context, x, ids.ints());
    const std::size_t before = row.size();
    row.resize(before + static_cast<std::size_t>(x.dim(0)));
    context.download(ids.bytes(), row.data() + before, static_cast<std::size_t>(x.dim(0)) * sizeof(std::int32_t));
    codes.grid = {codes.grid.frames + 1, latent.view().rows, latent.view().columns};
  }
  return codes;
}

Frames Emu3::grown(Context& context, Frames frames) const {
  frames = grow_.run_blocks(context, std::move(frames));
  for (const TimeConv& conv : grow_.convs) {
    FrameViews twice;
    for (const PictureTensor& frame : frames) twice.insert(twice.end(), 2, frame);
    frames = conv.forward(context, twice, Activation::silu);
  }
  return frames;
}

FloatPicture Emu3::decode(Context& context, const Codes& codes) const {
  check_codes(info_, codes);
  const Codes::Grid& grid = codes.grid;
  const std::vector<std::int32_t>& row = codes.rows.front();
  const Tensor ids = context.scratch({grid.positions()}, DType::i32);
  context.upload(row.data(), ids.bytes(), row.size() * sizeof(std::int32_t));
  const Tensor entries = context.scratch({grid.positions(), quantizer_->width()});
  quantizer_->decode(context, ids.ints(), entries);
  Frames maps;
  const std::int64_t positions = grid.rows * grid.columns;
  for (std::int64_t t = 0; t < grid.frames; ++t) {
    maps.push_back(spread(context, entries.matrix().slice(t * positions, positions), grid.rows, grid.columns));
  }
  const Frames z = grown(context, post_quant_conv_.forward(context, views_of(maps), Activation::none));
  maps = grown(context, std::move(maps));
  FloatPicture picture;
  picture.frames = grid.frames == 1 ? 1 : static_cast<std::int64_t>(z.size());
  for (std::size_t t = 0; t < static_cast<std::size_t>(picture.frames); ++t) {
    download_frame(context, decoder_.forward(context, z[t], maps[t]), picture);
  }
  return picture;
}

}  // namespace

std::unique_ptr<ImageCodec> load_emu3(Context& context, const Config& config, Checkpoint& checkpoint) {
  return std::make_unique<Emu3>(context, checkpoint, read_emu3(config, checkpoint));
}

}  // namespace tessera
