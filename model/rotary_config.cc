#include "model/rotary_config.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/constants.h"
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

double or_else(const Config& config, const std::string& key, double otherwise) {
  return config.has(key) ? config.number(key) : otherwise;
}

// YaRN: dimensions that turn often within the original context keep their frequency, those that hardly turn are
// slowed down by the factor, a ramp over the dimensions between. float32 where PyTorch computes in float32.
class YarnScaling {
 public:
  YarnScaling(const Config& config, const std::string& section, double theta, int dim)
      : config_(config), section_(section), theta_(theta), dim_(dim), factor_(positive(config, section + "factor")) {
    if (!(theta > 1)) throw CheckpointError(config.name() + ": rotary scaling \"yarn\" needs a base above 1");
  }

  [[nodiscard]] std::vector<float> frequencies() const {
    const bool whole = !config_.has(section_ + "truncate") || config_.boolean(section_ + "truncate");
    double low = dimension_of(turns("beta_fast", 32.0));
    double high = dimension_of(turns("beta_slow", 1.0));
    if (whole) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0);
    high = std::min(high, dim_ - 1.0);
    if (low == high) high += 0.001;
    std::vector<float> out;
    for (int i = 0; i < dim_ / 2; ++i) {
      const float ramp = (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low);
      out.push_back(blend(i, 1.0F - std::clamp(ramp, 0.0F, 1.0F)));
    }
    return out;
  }

  [[nodiscard]] double amplitude() const {
    if (config_.has(section_ + "attention_factor")) return positive(config_, section_ + "attention_factor");
    const double part = or_else(config_, section_ + "mscale", 0.0);
    const double all = or_else(config_, section_ + "mscale_all_dim", 0.0);
    return part != 0.0 && all != 0.0 ? growth(part) / growth(all) : growth(1.0);
  }

  [[nodiscard]] double score_scale() const {
    const double all = or_else(config_, section_ + "mscale_all_dim", 0.0);
    return all != 0.0 ? growth(all) * growth(all) : 1.0;
  }

 private:
  [[nodiscard]] double growth(double weight) const {
    return factor_ <= 1.0 ? 1.0 : 0.1 * weight * exact_log(factor_) + 1.0;
  }
  // Zero means the default, as in transformers.
  [[nodiscard]] double turns(const char* key, double otherwise) const {
    return or_else(config_, section_ + key, 0.0) == 0.0 ? otherwise : positive(config_, section_ + key);
  }
  // The dimension, not whole, that turns so often within the original context.
  [[nodiscard]] double dimension_of(double turns) const {
    const double context = positive(config_, section_ + "original_max_position_embeddings");
    return dim_ * exact_log(context / (turns * 2 * std::numbers::pi)) / (2 * exact_log(theta_));
  }
  [[nodiscard]] float blend(int i, float kept) const {
    const auto period = static_cast<float>(exact_pow(theta_, static_cast<float>(2 * i) / static_cast<float>(dim_)));
    const float slow = 1.0F / (static_cast<float>(factor_) * period);
    return slow * (1.0F - kept) + 1.0F / period * kept;
  }

  const Config& config_;
  std::string section_;
  double theta_;
  int dim_;
  double factor_;
};

}  // namespace

RotaryPositions read_rotary(const Config& config, double theta, int dim) {
  RotaryPositions rotary{rotary_frequencies(static_cast<float>(theta), dim)};
  const std::string section = section_of(config);
  const std::string type = scaling_type(config, section);
  if (type == "default") return rotary;
  if (type == "linear") {
    const float factor = positive(config, section + "factor");
    for (float& f : rotary.frequencies) f /= factor;
    return rotary;
  }
  if (type == "llama3") {
    const LlamaScaling scaling(config, section);
    for (float& f : rotary.frequencies) f = scaling(f);
    return rotary;
  }
  if (type == "yarn") {
    const YarnScaling scaling(config, section, theta, dim);
    return {scaling.frequencies(), scaling.amplitude(), scaling.score_scale()};
  }
  throw CheckpointError(config.name() + ": rotary scaling \"" + type +
                        "\" is not supported; default, linear, llama3 and yarn are");
}

double rotary_base(const Config& config, double otherwise) {
  for (const char* key : {"rope_parameters.rope_theta", "rope_theta"}) {
    if (config.has(key)) return positive(config, key);
  }
  return otherwise;
}

}  // namespace tessera
