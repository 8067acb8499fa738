#pragma once

#include <string>
#include <vector>

#include "codec/layers/conv.h"
#include "codec/layers/linear.h"

namespace tessera {

/// The backbone of WavTokenizer's decoder (Ji et al. 2024, arXiv 2408.16532; Vocos, arXiv 2306.00814): a convolution,
/// four residual blocks around one attention over all frames, ConvNeXt blocks. Group norms and attention see the whole
/// clip.
struct VocosShape {
  std::int64_t inputs = 0;
  std::int64_t width = 0;
  std::int64_t mlp_width = 0;
  int layers = 0;
  std::int64_t conditions = 0;  ///< rows of the adaptive norms, of which the first is used; 0: plain norms
};

/// GroupNorm with 32 groups over all frames, eps 1e-6.
class ClipNorm {
 public:
  ClipNorm(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t channels);
  [[nodiscard]] Tensor forward(Context& context, ConstMatrix x) const;

 private:
  Tensor weight_;
  Tensor bias_;
};

/// x + conv(silu(norm(conv(silu(norm(x)))))).
class ClipResidual {
 public:
  ClipResidual(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t channels);
  void forward(Context& context, Matrix x) const;

 private:
  ClipNorm norm1_, norm2_;
  ConvLayer conv1_, conv2_;
};

/// x + attention(norm(x)), one head, every frame sees every frame.
class ClipAttention {
 public:
  ClipAttention(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t channels);
  void forward(Context& context, Matrix x) const;

 private:
  std::int64_t width_;
  ClipNorm norm_;
  LinearLayer qkv_;
  LinearLayer out_;
};

/// LayerNorm, eps 1e-6; adaptive ones take weight and bias from the first row of an embedding.
class ConditionedNorm {
 public:
  ConditionedNorm(Context& context, Checkpoint& checkpoint, const std::string& name, const VocosShape& shape);
  void forward(Context& context, Matrix x) const;

 private:
  Tensor weight_;
  Tensor bias_;
};

/// x + gamma * mlp(norm(depthwise convolution(x))).
class ConvNextBlock {
 public:
  ConvNextBlock(Context& context, Checkpoint& checkpoint, const std::string& name, const VocosShape& shape);
  void forward(Context& context, Matrix x) const;

 private:
  ConvLayer depthwise_;
  ConditionedNorm norm_;
  LinearLayer in_;
  LinearLayer out_;
  Tensor gamma_;
};

class VocosBackbone {
 public:
  VocosBackbone(Context& context, Checkpoint& checkpoint, const std::string& name, const VocosShape& shape);
  /// [frames, inputs] of a whole clip to [frames, width].
  [[nodiscard]] Tensor forward(Context& context, ConstMatrix x) const;

 private:
  ConvLayer embed_;
  std::vector<ClipResidual> residuals_;  // two before the attention, two behind
  ClipAttention attention_;
  ClipNorm position_norm_;
  ConditionedNorm norm_;
  std::vector<ConvNextBlock> blocks_;
  NormLayer final_norm_;
};

}  // namespace tessera
