#include "codec/audio/seanet_config.h"

#include "codec/checkpoint/weight_norm.h"

namespace tessera {
namespace {

PadMode read_mode(const Config& config) {
  const std::string mode = config.string("pad_mode");
  if (mode == "constant") return PadMode::zeros;
  if (mode == "replicate") return PadMode::replicate;
  if (mode == "reflect") return PadMode::reflect;
  throw CheckpointError(config.name() + ": \"pad_mode\" " + mode + " is not one of constant, replicate, reflect");
}

void check(const Config& config, const SeanetShape& s) {
  const auto require = [&](bool holds, const char* what) {
    if (!holds) throw CheckpointError(config.name() + ": " + what);
  };
  require(s.trim_right_ratio >= 0 && s.trim_right_ratio <= 1, "\"trim_right_ratio\" must be 0 to 1");
  require(s.causal || s.trim_right_ratio == 1.0, "\"trim_right_ratio\" other than 1 needs causal convolutions");
}

}  // namespace

SeanetShape read_seanet_sizes(const Config& config, const SeanetKeys& keys) {
  SeanetShape s;
  s.audio_channels = config.integer("audio_channels", 1, 2);
  s.width = config.integer(keys.width, 1, 1 << 16);
  s.filters = config.integer(keys.filters, 1, 1 << 14);
  s.ratios = config.integers(keys.ratios, 1, 1 << 10);
  if (s.ratios.empty() || s.ratios.size() > 16 || s.hop() > SeanetShape::kMostHop) {
    throw CheckpointError(config.name() + ": \"" + keys.ratios +
                          "\" must have 1 to 16 entries whose product is at most 2^20");
  }
  s.kernel = config.integer("kernel_size", 1, 1 << 10);
  s.last_kernel = config.integer("last_kernel_size", 1, 1 << 10);
  s.residual_kernel = config.integer("residual_kernel_size", 1, 1 << 10);
  s.residual_layers = static_cast<int>(config.integer(keys.residual_layers, 0, 16));
  s.dilation_base = config.integer(keys.dilation_base, 1, 16);
  s.compress = config.integer("compress", 1, s.filters);
  return s;
}

SeanetShape read_seanet(const Config& config, const Checkpoint& checkpoint) {
  SeanetShape s = read_seanet_sizes(config, {});
  s.conv_shortcut = config.has("use_conv_shortcut") ? config.boolean("use_conv_shortcut")
                                                    : has_layer_weight(checkpoint, "encoder.layers.1.shortcut.conv");
  s.mode = read_mode(config);
  s.causal = config.boolean("use_causal_conv");
  s.trim_right_ratio = config.number("trim_right_ratio");
  check(config, s);
  return s;
}

}  // namespace tessera
