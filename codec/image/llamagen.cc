#include "codec/image/families.h"
#include "codec/image/trunk_config.h"

namespace tessera {
namespace {

TrunkSizes vq16() {
  TrunkSizes s;
  s.multipliers = {1, 1, 2, 2, 4};
  return s;
}

// The authors' names. Levels of the decoder count in the order in which they run.
TrunkNames authors_names(const std::string& trunk, const std::string& resample) {
  TrunkNames names;
  names.trunk = trunk;
  names.levels = trunk + ".conv_blocks";
  names.block = "res";
  names.resample = resample;
  names.first = "mid.0";
  names.attention = "mid.1";
  names.last = "mid.2";
  return names;
}

TrunkNames transformers_decoder_names(const std::string& prefix) {
  TrunkNames names = taming_decoder_names(prefix);
  names.reversed = false;
  return names;
}

// Whatever a configuration says, the last level of both halves attends, and no other.
TrunkCodecShape shape_of(const std::string& family, TrunkSizes sizes) {
  TrunkCodecShape s;
  s.family = family;
  s.search = Search::cosine;
  sizes.attention = {static_cast<std::int64_t>(sizes.multipliers.size()) - 1};
  s.encoder = encoder_of(sizes);
  if (!sizes.decoder_multipliers.empty()) {
    sizes.attention = {static_cast<std::int64_t>(sizes.decoder_multipliers.size()) - 1};
  }
  s.decoder = decoder_of(sizes);
  return s;
}

void name_as_authors(TrunkCodecShape& s, const std::string& prefix) {
  s.prefix = prefix;
  s.encoder.names = authors_names(prefix + "encoder", "downsample");
  s.decoder.names = authors_names(prefix + "decoder", "upsample");
}

// Keys of the authors' dictionary under `root`.
TrunkSizes read_authors_sizes(const Config& config, const std::string& root) {
  TrunkKeys keys;
  keys.base = "ch";
  keys.multipliers = "encoder_ch_mult";
  keys.latent = "z_channels";
  keys.groups = "norm_num_groups";
  TrunkSizes sizes = read_trunk_sizes(config, root, keys, vq16());
  keys.multipliers = "decoder_ch_mult";
  sizes.decoder_multipliers = read_trunk_sizes(config, root, keys, vq16()).multipliers;
  if (sizes.decoder_multipliers.size() == sizes.multipliers.size()) return sizes;
  throw CheckpointError(config.name() + ": \"encoder_ch_mult\" and \"decoder_ch_mult\" differ in length");
}

// Statistics of training.
void ignore_use_counts(Checkpoint& checkpoint) { checkpoint.ignore_suffix("quantize.codebook_used"); }

}  // namespace

std::unique_ptr<ImageCodec> load_llamagen(Context& context, const Config& config, Checkpoint& checkpoint) {
  TrunkCodecShape s = shape_of("llamagen", read_authors_sizes(config, ""));
  s.codebook_size = integer_or(config, "codebook_size", 16384, 2, 1 << 24);
  s.codebook_width = integer_or(config, "codebook_embed_dim", 8, 1, 1 << 14);
  if (config.has("codebook_l2_norm") && !config.boolean("codebook_l2_norm")) s.search = Search::nearest;
  name_as_authors(s, "");
  ignore_use_counts(checkpoint);
  return load_trunk_codec(context, checkpoint, s);
}

std::unique_ptr<ImageCodec> load_janus(Context& context, const Config& config, Checkpoint& checkpoint) {
  const std::string root = config_root(config);
  TrunkCodecShape s = shape_of("janus-vq", read_trunk_sizes(config, root, {}, vq16()));
  s.codebook_size = integer_or(config, root + "num_embeddings", 16384, 2, 1 << 24);
  s.codebook_width = integer_or(config, root + "embed_dim", 8, 1, 1 << 14);
  s.prefix = find_prefix(checkpoint, {"model.vqmodel.", "vqmodel.", ""}, "quantize.embedding.weight");
  s.encoder.names = taming_encoder_names(s.prefix);
  s.decoder.names = transformers_decoder_names(s.prefix);
  return load_trunk_codec(context, checkpoint, s);
}

std::unique_ptr<ImageCodec> load_janus_original(Context& context, const Config& config, Checkpoint& checkpoint) {
  const std::string cls = config.string("gen_vision_config.cls");
  if (cls != "VQ-16") throw CheckpointError(config.name() + ": \"gen_vision_config.cls\" must be VQ-16, is " + cls);
  // Published ones say no more than the codebook's size: the rest is the class's.
  TrunkCodecShape s = shape_of("janus-vq", read_authors_sizes(config, "gen_vision_config.params."));
  s.codebook_size = config.integer("gen_vision_config.params.image_token_size", 2, 1 << 24);
  s.codebook_width = config.integer("gen_vision_config.params.n_embed", 1, 1 << 14);
  name_as_authors(s, "gen_vision_model.");
  ignore_use_counts(checkpoint);
  return load_trunk_codec(context, checkpoint, s);
}

}  // namespace tessera
