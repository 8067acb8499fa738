#pragma once

#include "codec/layers/conv.h"

namespace tessera {

/// Lets frames through in whole groups only (windows of an attention, the coarsest level of a quantizer); the rest
/// waits for the next chunk.
class FrameGate {
 public:
  [[nodiscard]] Tensor pass(Context& context, Tensor x, std::int64_t group);
  [[nodiscard]] std::int64_t held() const noexcept { return held_.empty() ? 0 : held_.dim(0); }

 private:
  Tensor held_;
};

inline Tensor FrameGate::pass(Context& context, Tensor x, std::int64_t group) {
  if (group == 1) return x;
  const std::int64_t columns = x.dim(1);
  std::vector<Tensor> parts;
  if (held() != 0) parts.push_back(std::move(held_));
  parts.push_back(std::move(x));
  const Tensor joined = concatenate(context, std::move(parts), columns);
  const std::int64_t whole = joined.dim(0) / group * group;
  held_ = copy_of(context, joined.matrix().slice(whole, joined.dim(0) - whole));
  return copy_of(context, joined.matrix().slice(0, whole));
}

}  // namespace tessera
