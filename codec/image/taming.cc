#include "codec/image/families.h"
#include "codec/image/trunk_config.h"

namespace tessera {
namespace {

// The authors' YAML as JSON: "embed_dim" and "n_embed" beside "ddconfig", what the trunk is built of.
TrunkCodecShape read_taming(const Config& config, const char* family, Search search) {
  TrunkKeys keys;
  keys.out_channels = "out_ch";
  keys.base = "ch";
  keys.multipliers = "ch_mult";
  keys.latent = "z_channels";
  keys.doubled = "double_z";
  for (const char* key : {"ch", "ch_mult", "num_res_blocks", "z_channels", "resolution"}) {
    if (config.has(std::string("ddconfig.") + key)) continue;
    throw CheckpointError(config.name() + ": \"ddconfig." + key + "\" is missing");
  }
  TrunkSizes sizes = read_trunk_sizes(config, "ddconfig.", keys, {});
  const std::int64_t resolution = config.integer("ddconfig.resolution", 1, 1 << 20);
  sizes.attention = levels_of_resolutions(config, "ddconfig.attn_resolutions", resolution, sizes.multipliers.size());
  TrunkCodecShape s;
  s.family = family;
  s.search = search;
  s.codebook_size = config.integer("n_embed", 2, 1 << 24);
  s.codebook_width = config.integer("embed_dim", 1, 1 << 14);
  s.encoder = encoder_of(sizes);
  s.encoder.names = taming_encoder_names("");
  s.decoder = decoder_of(sizes);
  s.decoder.names = taming_decoder_names("");
  return s;
}

}  // namespace

std::unique_ptr<ImageCodec> load_taming(Context& context, const Config& config, Checkpoint& checkpoint) {
  return load_trunk_codec(context, checkpoint, read_taming(config, "taming", Search::nearest));
}

std::unique_ptr<ImageCodec> load_ibq(Context& context, const Config& config, Checkpoint& checkpoint) {
  return load_trunk_codec(context, checkpoint, read_taming(config, "ibq", Search::dot));
}

}  // namespace tessera
