#pragma once

#include <string>
#include <vector>

#include "codec/checkpoint/checkpoint.h"
#include "kernels/lstm.h"

namespace tessera {

/// Stacked LSTM layers with a shortcut: y = lstm(x) + x (EnCodec's SLSTM). No layers: y = x.
class LstmStack {
 public:
  using State = std::vector<LstmState>;
  /// Reads `name`.weight_ih_l0, .weight_hh_l0, .bias_ih_l0, .bias_hh_l0, ..._l1, ... of nn.LSTM, `width` wide.
  LstmStack(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t width, int layers);
  [[nodiscard]] State start(Context& context) const;
  [[nodiscard]] Tensor forward(Context& context, State& state, Tensor x) const;

 private:
  std::vector<PackedLstm> layers_;
};

}  // namespace tessera
