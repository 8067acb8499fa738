// Activations on sixteen floats at a time, chosen once outside the loop.

#if defined(TESSERA_KERNELS_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_ACTIVATION_INL_H_
#undef TESSERA_KERNELS_ACTIVATION_INL_H_
#else
#define TESSERA_KERNELS_ACTIVATION_INL_H_
#endif

#include "kernels/activation.h"
#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

/// Calls `body` with the function object of `f`.
template <class Body>
static HWY_INLINE void with_activation(Activation f, const Body& body) {
  switch (f) {
    case Activation::none:
      return body([](const Floats& x) TESSERA_INLINE_LAMBDA { return x; });
    case Activation::relu:
      return body([](const Floats& x) TESSERA_INLINE_LAMBDA { return relu<Lanes>(x); });
    case Activation::elu:
      return body([](const Floats& x) TESSERA_INLINE_LAMBDA { return elu<Lanes>(x); });
    case Activation::gelu:
      return body([](const Floats& x) TESSERA_INLINE_LAMBDA { return gelu<Lanes>(x); });
    case Activation::silu:
      return body([](const Floats& x) TESSERA_INLINE_LAMBDA { return silu<Lanes>(x); });
    case Activation::tanh:
      return body([](const Floats& x) TESSERA_INLINE_LAMBDA { return tanh<Lanes>(x); });
    case Activation::sigmoid:
      return body([](const Floats& x) TESSERA_INLINE_LAMBDA { return sigmoid<Lanes>(x); });
    case Activation::exp:
      return body([](const Floats& x) TESSERA_INLINE_LAMBDA { return exp<Lanes>(x); });
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
