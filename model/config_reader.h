#pragma once

#include <string>

#include "model/config.h"

/// What the readers of config.json of all families share; each family's is in config_*.cc.
namespace tessera::detail {

inline constexpr std::int64_t kMostLayers = 4096;
inline constexpr std::int64_t kMostWidth = 1 << 20;
inline constexpr std::int64_t kMostPositions = std::int64_t{1} << 40;
inline constexpr int kMostHeads = 4096;
inline constexpr int kMostHeadDim = 1024;
inline constexpr int kMostExperts = 65536;

/// Throws CheckpointError that names the file.
[[noreturn]] void refuse(const Config& c, const std::string& what);
void require(const Config& c, bool holds, const std::string& what);

/// An integer from 1 to `most`.
[[nodiscard]] int small(const Config& c, const std::string& key, int most);
[[nodiscard]] bool flag(const Config& c, const std::string& key, bool otherwise);
[[nodiscard]] std::string text(const Config& c, const std::string& key, const std::string& otherwise);

/// What every family has, with `layers` empty layers.
[[nodiscard]] DecoderConfig read_common(const Config& c, const std::string& epsilon_key, std::int64_t layers);
/// Layers as num_hidden_layers counts them.
[[nodiscard]] std::int64_t layer_count(const Config& c);

/// Throws CheckpointError when query heads do not share key/value heads evenly.
void check_heads(const Config& c, const DecoderAttention& a);
/// Rotary positions of base `theta` on the first `dim` elements of a head, and the score scale 1 / sqrt(head_dim).
/// Throws CheckpointError when they do not fit the head.
void set_rotary(const Config& c, double theta, int dim, DecoderAttention& a);

/// Throws CheckpointError when experts, groups and choices do not fit together.
void check_mixture(const Config& c, const DecoderMixture& m);

[[nodiscard]] DecoderConfig read_llama(const Config& c);
[[nodiscard]] DecoderConfig read_qwen2(const Config& c);
[[nodiscard]] DecoderConfig read_qwen3(const Config& c);
[[nodiscard]] DecoderConfig read_qwen3_moe(const Config& c);
[[nodiscard]] DecoderConfig read_mimo_v2(const Config& c);
[[nodiscard]] DecoderConfig read_deepseek_v2(const Config& c);
[[nodiscard]] DecoderConfig read_deepseek_v3(const Config& c);
[[nodiscard]] DecoderConfig read_longcat_flash(const Config& c);

}  // namespace tessera::detail
