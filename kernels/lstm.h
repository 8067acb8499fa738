#pragma once

#include <cstdint>
#include <span>

#include "kernels/product.h"

namespace tessera {

/// One LSTM layer, ready to run (Hochreiter and Schmidhuber 1997, as PyTorch's nn.LSTM writes it).
/// Outputs of both weights, and the biases, stand in blocks of sixteen units, the gates i, f, g, o of a block side by
/// side, zeros behind the last unit: whoever computes a unit's gates has all that its cell needs.
struct PackedLstm {
  PackedWeights input;   ///< [gates, inputs]
  PackedWeights hidden;  ///< [gates, hidden_size]
  Tensor input_bias;     ///< [gates]
  Tensor hidden_bias;    ///< [gates]
  std::int64_t inputs = 0;
  std::int64_t hidden_size = 0;

  [[nodiscard]] std::int64_t blocks() const noexcept { return (hidden_size + 15) / 16; }
  [[nodiscard]] std::int64_t gates() const noexcept { return blocks() * 64; }
};

/// From PyTorch's host arrays: weight_ih [4 * hidden, inputs], weight_hh [4 * hidden, hidden], each bias [4 * hidden],
/// in the order i, f, g, o. `storage` as for pack_weights. Throws ArgumentError when shapes disagree.
[[nodiscard]] PackedLstm pack_lstm(Context& context, ConstMatrix weight_ih, ConstMatrix weight_hh,
                                   std::span<const float> bias_ih, std::span<const float> bias_hh,
                                   DType storage = DType::f32);

/// What a batch of sequences carries from step to step: [batch, hidden_size] each.
struct LstmState {
  Tensor hidden;
  Tensor cell;
};

/// The state before the first step: zeros.
[[nodiscard]] LstmState start_lstm(Context& context, const PackedLstm& lstm, std::int64_t batch);

/// Runs x.rows / batch steps: row s * batch + b of `x` [steps * batch, inputs] is what sequence b receives at step s,
/// and the same row of `out` [steps * batch, hidden_size] its new h. Every product is `product`'s, every operation
/// below rounds once and nothing is fused:
///   gates i, f, g, o = (W_ih x + b_ih) + (W_hh h + b_hh)
///   c = sigmoid(f) * c + sigmoid(i) * tanh(g)
///   h = sigmoid(o) * tanh(c)
/// Sequences do not see each other, and a call for all steps gives the bits of many calls for some of them. `out` may
/// be `x`. Throws ArgumentError when shapes disagree.
void lstm(Context& context, ConstMatrix x, std::int64_t batch, const PackedLstm& weights, LstmState& state, Matrix out);

}  // namespace tessera
