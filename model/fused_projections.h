#pragma once

#include <string>
#include <vector>

#include "codec/checkpoint/checkpoint.h"
#include "model/config.h"

namespace tessera {

/// The rows of q, k and v, each head after head, [outputs, hidden].
struct ProjectionRows {
  std::vector<float> query;
  std::vector<float> key;
  std::vector<float> value;
};

/// Takes tensor `name`, [outputs of q, k and v together, hidden], apart (see DecoderAttention::fused_ranks). Throws
/// CheckpointError when its scales agree with no number of ranks.
[[nodiscard]] ProjectionRows split_fused(Checkpoint& checkpoint, const std::string& name,
                                         const DecoderAttention& config, std::int64_t hidden);

}  // namespace tessera
