#pragma once

#include <algorithm>
#include <vector>

#include "codec/layers/conv.h"

namespace tessera {

/// Activations of about this many floats stay in the second-level cache from one layer to the next.
inline constexpr std::int64_t kPieceFloats = std::int64_t{96} << 10;
/// Rows that a strided layer's weights, where they are larger than that, should at least be read for.
inline constexpr std::int64_t kPieceRows = 96;

/// Frames a piece for layers of `width` floats a frame.
[[nodiscard]] inline std::int64_t piece_frames(std::int64_t width) {
  return std::max(kPieceRows, kPieceFloats / width);
}

/// Runs `part(piece, last)` over x in pieces of `frames` and joins what they return; layers carry their state from
/// piece to piece, so that the cut changes no bit.
template <class Part>
[[nodiscard]] Tensor in_pieces(Context& context, ConstMatrix x, std::int64_t frames, std::int64_t columns, bool last,
                               const Part& part) {
  std::vector<Tensor> pieces;
  for (std::int64_t at = 0; at < x.rows || pieces.empty(); at += frames) {
    const std::int64_t count = std::min(frames, x.rows - at);
    pieces.push_back(part(x.slice(at, count), last && at + count == x.rows));
  }
  return concatenate(context, std::move(pieces), columns);
}

}  // namespace tessera
