#include "model/rotary_config.h"

#include "kernels/rotary.h"

namespace tessera {
namespace {

constexpr float kTurn = 6.283185307179586F;

std::string section_of(const Config& config) {
  if (config.has("rope_parameters")) return "rope_parameters.";
  return config.has("rope_scaling") ? "rope_scaling." : "";
}

std::string scaling_type(const Config& config, const std::string& section) {
  if (section.empty()) return "default";
  for (const char* key : {"rope_type", "type"}) {
    if (config.has(section + key)) return config.string(section + key);
  }
  return "default";
}

float positive(const Config& config, const std::string& key) {
  const double value = config.number(key);
  if (!(value > 0)) throw CheckpointError(config.name() + ": \"" + key + "\" must be more than 0");
  return static_cast<float>(value);
}

// How Llama 3.1 reaches beyond the context it was trained for, in float32 as PyTorch computes it.
struct LlamaScaling {
  LlamaScaling(const Config& config, const std::string& section)
      : factor(positive(config, section + "factor")),
        low(positive(config, section + "low_freq_factor")),
        high(positive(config, section + "high_freq_factor")),
        context(positive(config, section + "original_max_position_embeddings")) {
    if (!(high > low)) {
      throw CheckpointError(config.name() + ": \"" + section + "high_freq_factor\" must exceed low_freq_factor");
    }
  }
  [[nodiscard]] float operator()(float frequency) const {
    const float wavelength = kTurn / frequency;
    if (wavelength < context / high) return frequency;
    if (wavelength > context / low) return frequency / factor;
    const float blend = (context / wavelength - low) / (high - low);
    return (1.0F - blend) * (frequency / factor) + blend * frequency;
  }
  float factor, low, high, context;
};

}  // namespace

std::vector<float> scaled_frequencies(const Config& config, double theta, int dim) {
  std::vector<float> frequencies = rotary_frequencies(static_cast<float>(theta), dim);
  const std::string section = section_of(config);
  const std::string type = scaling_type(config, section);
  if (type == "default") return frequencies;
  if (type == "linear") {
    const float factor = positive(config, section + "factor");
    for (float& f : frequencies) f /= factor;
    return frequencies;
  }
  if (type == "llama3") {
    const LlamaScaling scaling(config, section);
    for (float& f : frequencies) f = scaling(f);
    return frequencies;
  }
  throw CheckpointError(config.name() + ": rotary scaling \"" + type +
                        "\" is not supported; default, linear and llama3 are");
}

double rotary_base(const Config& config) {
  for (const char* key : {"rope_parameters.rope_theta", "rope_theta"}) {
    if (config.has(key)) return positive(config, key);
  }
  return 10000.0;
}

}  // namespace tessera
