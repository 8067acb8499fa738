#include "codec/image/families.h"
#include "codec/image/trunk_config.h"

namespace tessera {

std::unique_ptr<ImageCodec> load_chameleon(Context& context, const Config& config, Checkpoint& checkpoint) {
  const std::string root = config_root(config);
  TrunkSizes defaults;
  defaults.multipliers = {1, 1, 2, 2, 4};
  TrunkSizes sizes = read_trunk_sizes(config, root, {}, defaults);
  const bool attends = !config.has(root + "attn_type") || config.string(root + "attn_type") == "vanilla";
  const std::int64_t resolution = integer_or(config, root + "resolution", 512, 1, 1 << 20);
  if (attends) {
    sizes.attention = levels_of_resolutions(config, root + "attn_resolutions", resolution, sizes.multipliers.size());
  }
  TrunkCodecShape s;
  s.family = "chameleon";
  s.prefix = find_prefix(checkpoint, {"model.vqmodel.", "vqmodel.", ""}, "quantize.embedding.weight");
  s.codebook_size = integer_or(config, root + "num_embeddings", 8192, 2, 1 << 24);
  s.codebook_width = integer_or(config, root + "embed_dim", 256, 1, 1 << 14);
  s.encoder = encoder_of(sizes);
  s.encoder.names = taming_encoder_names(s.prefix);
  s.encoder.middle_attention = attends;
  s.decoder = decoder_of(sizes);
  s.decoder.names = taming_decoder_names(s.prefix);
  s.decoder.middle_attention = attends;
  return load_trunk_codec(context, checkpoint, s);
}

}  // namespace tessera
