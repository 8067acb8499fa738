#pragma once

#include <set>
#include <string>
#include <vector>

#include "codec/image/trunk_codec.h"

namespace tessera {

/// What configurations say of a trunk codec, whatever they call it.
struct TrunkSizes {
  std::int64_t in_channels = 3;
  std::int64_t out_channels = 3;
  std::int64_t base = 128;                        ///< channels of a multiplier of 1
  std::vector<std::int64_t> multipliers;          ///< a level each, the largest picture first
  std::vector<std::int64_t> decoder_multipliers;  ///< the same; empty: the encoder's
  std::int64_t blocks = 2;                        ///< a level of the encoder; the decoder has one more
  std::int64_t latent = 256;                      ///< channels of the decoder's input
  std::int64_t encoder_out = 256;                 ///< of the encoder's output: latent, or twice that
  std::int64_t groups = 32;                       ///< of the norms
  std::set<std::int64_t> attention;               ///< levels that attend
};

/// Keys of TrunkSizes in one layout, and the value that the layout's reference takes for one that is absent (its
/// configurations are saved without those); null keys have that value always.
struct TrunkKeys {
  const char* in_channels = "in_channels";
  const char* out_channels = "out_channels";
  const char* base = "base_channels";
  const char* multipliers = "channel_multiplier";
  const char* blocks = "num_res_blocks";
  const char* latent = "latent_channels";
  const char* doubled = "double_latent";
  const char* groups = nullptr;
};

/// `root` stands before every key ("vq_config."); `defaults` are the reference's. Throws CheckpointError.
[[nodiscard]] TrunkSizes read_trunk_sizes(const Config& config, const std::string& root, const TrunkKeys& keys,
                                          const TrunkSizes& defaults);
/// A present value, checked, or `otherwise`.
[[nodiscard]] std::int64_t integer_or(const Config& config, const std::string& key, std::int64_t otherwise,
                                      std::int64_t least, std::int64_t most);
/// Levels whose nominal resolution, `resolution` halved level by level, is in the list under `key`: how VQGAN's
/// configurations name them. The pictures that come in later change nothing.
[[nodiscard]] std::set<std::int64_t> levels_of_resolutions(const Config& config, const std::string& key,
                                                           std::int64_t resolution, std::size_t levels);

/// The two halves, without names.
[[nodiscard]] TrunkShape encoder_of(const TrunkSizes& sizes);
[[nodiscard]] TrunkShape decoder_of(const TrunkSizes& sizes);

/// Names of taming transformers: encoder.down.i.block.j, decoder.up.i.…, the largest picture being level 0.
[[nodiscard]] TrunkNames taming_encoder_names(const std::string& prefix);
[[nodiscard]] TrunkNames taming_decoder_names(const std::string& prefix);

/// The first of `prefixes` with a tensor PREFIX`tensor`; the first of all when there is none.
[[nodiscard]] std::string find_prefix(const Checkpoint& checkpoint, const std::vector<std::string>& prefixes,
                                      const std::string& tensor);
/// "vq_config." when the configuration is a language model's that has one, else "".
[[nodiscard]] std::string config_root(const Config& config);

}  // namespace tessera
