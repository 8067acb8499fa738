#include "codec/image/trunk_config.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr std::int64_t kMostWidth = 1 << 13;
constexpr std::int64_t kMostHead = 1024;

bool boolean_or(const Config& config, const std::string& key, bool otherwise) {
  return config.has(key) ? config.boolean(key) : otherwise;
}

void check_widths(const Config& config, const TrunkSizes& s) {
  for (const auto* list : {&s.multipliers, &s.decoder_multipliers}) {
    config.require(list->size() <= 12, "more than 12 levels");
    for (const std::int64_t m : *list) {
      config.require(s.base * m % s.groups == 0, "channels of every level must divide by the groups of its norms");
      config.require(s.base * m <= kMostWidth, "more than 8192 channels");
    }
  }
  config.require(s.base % s.groups == 0, "the base channels must divide by the groups of the norms");
  config.require(!s.multipliers.empty(), "no levels");
  config.require(s.base * s.multipliers.back() <= kMostHead, "attention over more than 1024 channels");
}

TrunkShape half_of(const TrunkSizes& s, const std::vector<std::int64_t>& multipliers, std::int64_t blocks) {
  TrunkShape shape;
  shape.norm.groups = s.groups;
  for (std::size_t i = 0; i < multipliers.size(); ++i) {
    const bool attends = s.attention.count(static_cast<std::int64_t>(i)) != 0;
    shape.levels.push_back({s.base * multipliers[i], static_cast<int>(blocks), attends, i + 1 < multipliers.size()});
  }
  return shape;
}

TrunkNames taming_names(const std::string& trunk) {
  TrunkNames names;
  names.trunk = trunk;
  names.first = "mid.block_1";
  names.attention = "mid.attn_1";
  names.last = "mid.block_2";
  return names;
}

}  // namespace

std::int64_t integer_or(const Config& config, const std::string& key, std::int64_t otherwise, std::int64_t least,
                        std::int64_t most) {
  return config.has(key) ? config.integer(key, least, most) : otherwise;
}

TrunkSizes read_trunk_sizes(const Config& config, const std::string& root, const TrunkKeys& keys,
                            const TrunkSizes& defaults) {
  const auto read = [&](const char* key, std::int64_t otherwise, std::int64_t most) {
    return integer_or(config, root + key, otherwise, 1, most);
  };
  TrunkSizes s = defaults;
  s.in_channels = read(keys.in_channels, defaults.in_channels, 3);
  s.out_channels = read(keys.out_channels, defaults.out_channels, 3);
  config.require(s.in_channels == 3 && s.out_channels == 3, "pictures must have three channels");
  s.base = read(keys.base, defaults.base, kMostWidth);
  if (config.has(root + keys.multipliers)) s.multipliers = config.integers(root + keys.multipliers, 1, 64);
  if (keys.blocks != nullptr) s.blocks = read(keys.blocks, defaults.blocks, 64);
  s.latent = read(keys.latent, defaults.latent, 1 << 14);
  s.encoder_out = boolean_or(config, root + keys.doubled, false) ? 2 * s.latent : s.latent;
  if (keys.groups != nullptr) s.groups = integer_or(config, root + keys.groups, defaults.groups, 1, 1 << 10);
  check_widths(config, s);
  return s;
}

std::set<std::int64_t> levels_of_resolutions(const Config& config, const std::string& key, std::int64_t resolution,
                                             std::size_t levels) {
  std::set<std::int64_t> found;
  if (!config.has(key)) return found;
  const std::vector<std::int64_t> listed = config.integers(key, 0, 1 << 20);
  for (std::size_t i = 0; i < levels; ++i, resolution /= 2) {
    if (std::find(listed.begin(), listed.end(), resolution) != listed.end()) found.insert(static_cast<std::int64_t>(i));
  }
  return found;
}

TrunkShape encoder_of(const TrunkSizes& s) {
  TrunkShape shape = half_of(s, s.multipliers, s.blocks);
  shape.in_channels = s.in_channels;
  shape.stem = s.base;
  shape.out_channels = s.encoder_out;
  return shape;
}

TrunkShape decoder_of(const TrunkSizes& s) {
  TrunkShape shape = half_of(s, s.decoder_multipliers.empty() ? s.multipliers : s.decoder_multipliers, s.blocks + 1);
  // From the smallest picture to the largest: what halved behind a level doubles behind the one after it.
  for (TrunkShape::Level& level : shape.levels) level.resample = &level != shape.levels.data();
  std::reverse(shape.levels.begin(), shape.levels.end());
  shape.decoder = true;
  shape.in_channels = s.latent;
  shape.stem = shape.levels.front().width;
  shape.out_channels = s.out_channels;
  return shape;
}

TrunkNames taming_encoder_names(const std::string& prefix) {
  TrunkNames names = taming_names(prefix + "encoder");
  names.levels = names.trunk + ".down";
  names.resample = "downsample";
  return names;
}

TrunkNames taming_decoder_names(const std::string& prefix) {
  TrunkNames names = taming_names(prefix + "decoder");
  names.levels = names.trunk + ".up";
  names.resample = "upsample";
  names.reversed = true;
  return names;
}

std::string find_prefix(const Checkpoint& checkpoint, const std::vector<std::string>& prefixes,
                        const std::string& tensor) {
  for (const std::string& prefix : prefixes) {
    if (checkpoint.has(prefix + tensor)) return prefix;
  }
  return prefixes.front();
}

std::string config_root(const Config& config) { return config.has("vq_config") ? "vq_config." : ""; }

}  // namespace tessera
