// Softmax: a block takes a row; sixteen of its threads are the chains of the sum.

#include "cuda_backend.h"
#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

struct SoftmaxRow {
  static constexpr int kThreads = 256;
  struct Shared {
    float most[kThreads];
    float chain[16];
  };
  ConstMatrix input;
  Matrix out;

  template <class B>
  TESSERA_DEVICE void operator()(B& block, Shared& shared) const {
    const float* x = input.data + block.index * input.row_step;
    float* y = out.data + block.index * out.row_step;
    block.each([&](int t) {
      float most = x[0];
      for (std::int64_t i = t; i < input.columns; i += kThreads) most = larger(most, x[i]);
      shared.most[t] = most;
    });
    for (int half = kThreads / 2; half != 0; half /= 2) {
      block.each([&](int t) {
        if (t < half) shared.most[t] = larger(shared.most[t], shared.most[t + half]);
      });
    }
    block.each([&](int t) {
      for (std::int64_t i = t; i < input.columns; i += kThreads) {
        y[i] = scalar::exp<scalar::Lanes>(x[i] - shared.most[0]);
      }
    });
    block.each([&](int t) {
      if (t >= 16) return;
      float chain = 0.0F;
      for (std::int64_t i = t; i < input.columns; i += 16) chain = chain + y[i];
      shared.chain[t] = chain;
    });
    for (int half = 8; half != 0; half /= 2) {
      block.each([&](int t) {
        if (t < half) shared.chain[t] = shared.chain[t] + shared.chain[t + half];
      });
    }
    block.each([&](int t) {
      for (std::int64_t i = t; i < input.columns; i += kThreads) y[i] = y[i] / shared.chain[0];
    });
  }

  TESSERA_DEVICE static float larger(float a, float b) { return a < b ? b : a; }
};

}  // namespace

void softmax(ConstMatrix input, Matrix out) {
  if (input.columns != 0) launch(SoftmaxRow{input, out}, input.rows);
}

}  // namespace tessera::cuda
