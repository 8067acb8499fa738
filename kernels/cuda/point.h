#pragma once

#include "cuda_backend.h"
#include "kernels/activation.h"
#include "kernels/arithmetic.h"

namespace tessera::cuda {

/// One activation on one float.
TESSERA_DEVICE inline float apply(Activation f, float x) {
  switch (f) {
    case Activation::none:
      return x;
    case Activation::relu:
      return scalar::relu<scalar::Lanes>(x);
    case Activation::elu:
      return scalar::elu<scalar::Lanes>(x);
    case Activation::gelu:
      return scalar::gelu<scalar::Lanes>(x);
    case Activation::silu:
      return scalar::silu<scalar::Lanes>(x);
    case Activation::tanh:
      return scalar::tanh<scalar::Lanes>(x);
    case Activation::sigmoid:
      return scalar::sigmoid<scalar::Lanes>(x);
    case Activation::exp:
      return scalar::exp<scalar::Lanes>(x);
  }
  return x;
}

/// Calls body(row, column) for each element of a [rows, columns] array, one thread each.
template <class Body>
struct EachElement {
  static constexpr int kThreads = 256;
  struct Shared {};
  std::int64_t rows;
  std::int64_t columns;
  Body body;

  template <class B>
  TESSERA_DEVICE void operator()(B& block, Shared&) const {
    block.each([&](int t) {
      const std::int64_t i = block.index * kThreads + t;
      if (i < rows * columns) body(i / columns, i % columns);
    });
  }
};

/// `body` is a struct with a TESSERA_DEVICE operator()(row, column) const.
template <class Body>
void launch_each(std::int64_t rows, std::int64_t columns, const Body& body) {
  launch(EachElement<Body>{rows, columns, body}, (rows * columns + 255) / 256);
}

}  // namespace tessera::cuda
