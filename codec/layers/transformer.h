#pragma once

#include <string>
#include <vector>

#include "codec/layers/linear.h"
#include "kernels/attention.h"
#include "kernels/rotary.h"

namespace tessera {

/// Sizes and habits of a pre-norm transformer over frames, as codecs use them: rotary positions over the whole head
/// (half-split), attention in a window, a two-layer MLP.
struct TransformerShape {
  std::int64_t width = 0;
  int layers = 0;
  int heads = 0;
  int key_value_heads = 0;
  int head_dim = 0;
  std::int64_t mlp_width = 0;
  std::int64_t left = -1;  ///< frames before a query that it sees; -1: all
  std::int64_t right = 0;  ///< frames after it; -1: all
  Activation activation = Activation::gelu;
  NormLayer::Kind norm = NormLayer::Kind::layer;
  float epsilon = 1e-5F;
  float rope_theta = 10000.0F;
  int skip_layer = 0;  ///< n > 0: the output of layer n is added to the last layer's (MiMo)

  /// Frames can be pushed through as they come, with bounded memory.
  [[nodiscard]] bool streams() const noexcept { return left >= 0 && right == 0; }
};

/// Tensor names below a layer's prefix. Empty: the checkpoint has no such tensor.
struct TransformerNames {
  std::string attention_norm, query, key, value, output, query_bias, key_bias, value_bias, output_bias;
  std::string mlp_norm, mlp_in, mlp_out, mlp_in_bias, mlp_out_bias;
  std::string attention_scale, mlp_scale;
};

class Transformer {
 public:
  /// Caches and position of one sequence.
  struct State {
    std::vector<KeyValueCache> caches;  ///< one a layer; one in all when the whole sequence comes at once
    std::int64_t position = 0;
  };

  /// Layer i has the prefix `prefix`.i.
  Transformer(Context& context, Checkpoint& checkpoint, const std::string& prefix, const TransformerShape& shape,
              const TransformerNames& names);

  /// For chunks of at most `frames` each.
  [[nodiscard]] State start_stream(Context& context, std::int64_t frames) const;
  /// For one chunk of `frames`: the whole sequence.
  [[nodiscard]] State start_whole(Context& context, std::int64_t frames) const;
  /// In place on x [frames, width].
  void forward(Context& context, State& state, Matrix x) const;

  [[nodiscard]] const TransformerShape& shape() const noexcept { return shape_; }

 private:
  struct Layer {
    NormLayer attention_norm;
    LinearLayer query_key_value;
    LinearLayer output;
    NormLayer mlp_norm;
    LinearLayer mlp_in;
    LinearLayer mlp_out;
    Tensor attention_scale;
    Tensor mlp_scale;
  };
  [[nodiscard]] Layer load_layer(Context& context, Checkpoint& checkpoint, const std::string& prefix,
                                 const TransformerNames& names) const;
  void attend_layer(Context& context, const Layer& layer, KeyValueCache& cache, std::int64_t position, Matrix x) const;
  void mlp(Context& context, const Layer& layer, Matrix x) const;

  TransformerShape shape_;
  AttentionShape attention_;
  Tensor frequencies_;
  std::vector<Layer> layers_;
};

}  // namespace tessera
