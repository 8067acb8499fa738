#include "codec/layers/local_attention.h"

namespace tessera {
namespace {

constexpr float kNormEpsilon = 1e-5F;
constexpr float kTheta = 10000.0F;

int heads_of(const std::string& name, std::int64_t width) {
  if (width % LocalAttention::kHeadDim == 0) return static_cast<int>(width / LocalAttention::kHeadDim);
  throw CheckpointError(name + ": " + std::to_string(width) + " channels are no whole number of heads of 64");
}

}  // namespace

LocalAttention::LocalAttention(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t width,
                               std::int64_t window)
    : width_(width),
      window_(window),
      rotary_{heads_of(name, width), kHeadDim, kHeadDim, RotaryLayout::half_split},
      norm_(context, checkpoint, name + ".norm", width, NormLayer::Kind::layer, kNormEpsilon),
      qkv_(context, checkpoint, {{name + ".to_qkv.weight", "", 3 * width}}, width),
      out_(context, checkpoint, {{name + ".to_out.weight", "", width}}, width),
      frequencies_(to_device(context, rotary_frequencies(kTheta, kHeadDim))) {}

Tensor LocalAttention::forward(Context& context, State& state, Tensor input) const {
  Tensor x = state.gate.pass(context, std::move(input), window_);
  if (x.dim(0) == 0) return x;
  const Tensor normed = context.scratch(x.shape());
  norm_.forward(context, x, normed);
  const Tensor qkv = qkv_.forward(context, normed);
  const Tensor mixed = context.scratch(x.shape());
  KeyValueCache cache(context, rotary_.heads, kHeadDim, window_);
  for (std::int64_t at = 0; at < x.dim(0); at += window_) {
    attend_window(context, cache, qkv.matrix().slice(at, window_), mixed.matrix().slice(at, window_));
  }
  Epilogue sum;
  sum.residual = x;
  out_.forward_into(context, mixed, sum, x);
  return x;
}

void LocalAttention::attend_window(Context& context, KeyValueCache& cache, Matrix qkv, Matrix out) const {
  const Matrix queries = qkv.columns_from(0, width_);
  const Matrix keys = qkv.columns_from(width_, width_);
  rotary(context, rotary_, frequencies_.data(), 0, queries);
  rotary(context, rotary_, frequencies_.data(), 0, keys);
  cache.append(context, 0, keys, qkv.columns_from(2 * width_, width_));
  const AttentionShape shape{rotary_.heads, rotary_.heads, kHeadDim, -1, -1, 0.125F};
  attend(context, cache, shape, queries, 0, 0, window_, out);
}

}  // namespace tessera
