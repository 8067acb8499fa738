#include <algorithm>
#include <bit>

#include "codec/image/families.h"
#include "codec/image/trunk_config.h"

namespace tessera {
namespace {

struct CosmosSizes {
  TrunkSizes trunk;
  std::int64_t patch = 4;
  std::int64_t halvings = 0;
  std::int64_t resolution = 0;
  std::vector<std::int64_t> attention;  // nominal resolutions that attend
};

int log2_of(const Config& config, const std::string& key) {
  const auto value = static_cast<std::uint64_t>(config.integer(key, 1, 1 << 8));
  if (std::has_single_bit(value)) return std::bit_width(value) - 1;
  throw CheckpointError(config.name() + ": \"" + key + "\" must be a power of two");
}

void require_string(const Config& config, const std::string& key, const std::string& only) {
  if (!config.has(key) || config.string(key) == only) return;
  throw CheckpointError(config.name() + ": \"" + key + "\" must be " + only + ", is " + config.string(key));
}

CosmosSizes read_cosmos(const Config& config) {
  require_string(config, "name", "DI");
  require_string(config, "quantizer", "FSQ");
  require_string(config, "encoder", "Default");
  require_string(config, "decoder", "Default");
  require_string(config, "patch_method", "haar");
  for (const char* key : {"channels", "channels_mult", "num_res_blocks", "z_channels", "resolution", "patch_size"}) {
    if (!config.has(key)) throw CheckpointError(config.name() + ": \"" + std::string(key) + "\" is missing");
  }
  TrunkKeys keys;
  keys.base = "channels";
  keys.multipliers = "channels_mult";
  keys.latent = "z_channels";
  CosmosSizes s;
  s.trunk = read_trunk_sizes(config, "", keys, {});
  const int patch = log2_of(config, "patch_size");
  s.patch = std::int64_t{1} << patch;
  s.halvings = log2_of(config, "spatial_compression") - patch;
  s.resolution = config.integer("resolution", 1, 1 << 20) / s.patch;
  s.attention = config.integers("attn_resolutions", 0, 1 << 20);
  if (s.halvings >= 0 && s.halvings <= static_cast<std::int64_t>(s.trunk.multipliers.size())) return s;
  throw CheckpointError(config.name() +
                        ": \"spatial_compression\" must be \"patch_size\" or up to as many halvings more "
                        "as there are levels");
}

/// The first `halvings` levels of an encoder halve; the nominal resolution, halved with them, chooses who attends.
void place_encoder(const CosmosSizes& s, TrunkShape& shape) {
  std::int64_t resolution = s.resolution;
  for (std::size_t i = 0; i < shape.levels.size(); ++i) {
    TrunkShape::Level& level = shape.levels[i];
    level.attention = std::count(s.attention.begin(), s.attention.end(), resolution) != 0;
    level.resample = static_cast<std::int64_t>(i) < s.halvings;
    if (level.resample) resolution /= 2;
  }
}

/// A decoder doubles behind its first levels, and counts resolutions as if all but one had been halved.
void place_decoder(const CosmosSizes& s, TrunkShape& shape) {
  std::int64_t resolution = s.resolution >> (shape.levels.size() - 1);
  for (std::size_t i = 0; i < shape.levels.size(); ++i) {
    TrunkShape::Level& level = shape.levels[i];
    level.attention = std::count(s.attention.begin(), s.attention.end(), resolution) != 0;
    level.resample = static_cast<std::int64_t>(i) < s.halvings;
    if (level.resample) resolution *= 2;
  }
}

/// Of the quantizer: digits a channel.
std::vector<int> read_levels(const Config& config) {
  const std::vector<std::int64_t> listed = config.integers("levels", 2, 1 << 10);
  if (static_cast<std::int64_t>(listed.size()) != config.integer("embedding_dim", 1, 20)) {
    throw CheckpointError(config.name() + ": \"levels\" must have \"embedding_dim\" entries");
  }
  std::int64_t codes = 1;
  for (const std::int64_t level : listed) {
    codes *= level;
    if (codes > 1 << 20) throw CheckpointError(config.name() + ": \"levels\" make more than 2^20 codes");
  }
  return {listed.begin(), listed.end()};
}

}  // namespace

std::unique_ptr<ImageCodec> load_cosmos(Context& context, const Config& config, Checkpoint& checkpoint) {
  const CosmosSizes sizes = read_cosmos(config);
  TrunkCodecShape s;
  s.family = "cosmos";
  s.patch = sizes.patch;
  s.levels = read_levels(config);
  s.codebook_width = static_cast<std::int64_t>(s.levels.size());
  s.encoder = encoder_of(sizes.trunk);
  s.encoder.names = taming_encoder_names("");
  s.encoder.in_channels *= s.patch * s.patch;
  place_encoder(sizes, s.encoder);
  s.decoder = decoder_of(sizes.trunk);
  s.decoder.names = taming_decoder_names("");
  s.decoder.out_channels *= s.patch * s.patch;
  place_decoder(sizes, s.decoder);
  // Tables that some exports keep.
  for (const char* table : {".wavelets", "._arange", "._levels", "._basis", ".implicit_codebook"}) {
    checkpoint.ignore_suffix(table);
  }
  return load_trunk_codec(context, checkpoint, s);
}

}  // namespace tessera
