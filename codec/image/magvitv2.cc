#include "codec/image/families.h"
#include "codec/image/trunk_config.h"

namespace tessera {
namespace {

struct Half {
  std::vector<std::int64_t> multipliers;
  std::vector<std::int64_t> blocks;  // of each level, the largest picture first
};

TrunkSizes read_sizes(const Config& config, const std::string& root, const Half& published) {
  TrunkKeys keys;
  keys.in_channels = "in_ch";
  keys.out_channels = "out_ch";
  keys.base = "ch";
  keys.multipliers = "ch_mult";
  keys.blocks = nullptr;  // a list: read_blocks()
  keys.latent = "z_channels";
  keys.doubled = "double_z";
  TrunkSizes defaults;
  defaults.multipliers = published.multipliers;
  defaults.latent = defaults.encoder_out = 13;
  TrunkSizes sizes = read_trunk_sizes(config, root, keys, defaults);
  const std::int64_t resolution = integer_or(config, root + "resolution", 256, 1, 1 << 20);
  sizes.attention = levels_of_resolutions(config, root + "attn_resolutions", resolution, sizes.multipliers.size());
  return sizes;
}

/// Of the levels in the order of the configuration. `shape` has them so, or the other way round.
void read_blocks(const Config& config, const std::string& root, const Half& published, TrunkShape& shape) {
  const std::string key = root + "num_res_blocks";
  const std::vector<std::int64_t> blocks = config.has(key) ? config.integers(key, 1, 64) : published.blocks;
  if (blocks.size() != shape.levels.size()) {
    throw CheckpointError(config.name() + ": \"" + key + "\" must have an entry a level");
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    shape.levels[shape.decoder ? blocks.size() - 1 - i : i].blocks = static_cast<int>(blocks[i]);
  }
}

}  // namespace

std::unique_ptr<ImageCodec> load_magvitv2(Context& context, const Config& config, Checkpoint& checkpoint) {
  const Half encoder{{1, 2, 2, 4, 4}, {4, 3, 4, 3, 4}};
  const Half decoder{{1, 1, 2, 2, 4}, {4, 4, 3, 4, 3}};
  const TrunkSizes in = read_sizes(config, "encoder.", encoder);
  const TrunkSizes out = read_sizes(config, "decoder.", decoder);
  if (in.latent > 20) throw CheckpointError(config.name() + ": \"z_channels\" must be 20 bits or less");
  TrunkCodecShape s;
  s.family = "magvitv2";
  s.signs = true;
  s.codebook_width = in.latent;
  if (in.encoder_out != in.latent || out.latent != in.latent || in.multipliers.size() != out.multipliers.size()) {
    throw CheckpointError(config.name() + ": the two halves must have the same levels and \"z_channels\"");
  }
  s.encoder = encoder_of(in);
  s.encoder.names = taming_encoder_names("");
  read_blocks(config, "encoder.", encoder, s.encoder);
  s.decoder = decoder_of(out);
  s.decoder.names = taming_decoder_names("");
  read_blocks(config, "decoder.", decoder, s.decoder);
  s.quant_conv = "encoder.quant_conv";
  s.post_quant_conv = "decoder.post_quant_conv";
  // The signs of each code, and the weights of its bits.
  checkpoint.ignore_suffix("quantize.embedding");
  checkpoint.ignore_suffix("quantize.power_vals");
  return load_trunk_codec(context, checkpoint, s);
}

}  // namespace tessera
