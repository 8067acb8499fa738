#pragma once

#include "kernels/activation.h"
#include "kernels/arithmetic.h"

namespace tessera::rules {

/// Point functions on one float.
inline float activation(Activation f, float x) {
  using L = scalar::Lanes;
  switch (f) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < 0 ? 0.0F : x;
    case Activation::elu:
      return x > 0 ? x : scalar::expm1<L>(x);
    case Activation::gelu:
      return x * 0.5F * (1.0F + scalar::erf<L>(x * 0x1.6a09e6p-1F));
    case Activation::silu:
      return x / (1.0F + scalar::exp<L>(-x));
    case Activation::tanh:
      return scalar::tanh<L>(x);
    case Activation::sigmoid:
      return 1.0F / (1.0F + scalar::exp<L>(-x));
    case Activation::exp:
      return scalar::exp<L>(x);
  }
  return x;
}

}  // namespace tessera::rules
