#pragma once

// How the kernels of kernels/*.cu run on a GPU. tests/emulation/cuda_backend.h has the same names for the host.
//
// A kernel is a struct: its members are the arguments, `kThreads` the block size, `Shared` the shared memory, and
//   template <class Block> TESSERA_DEVICE void operator()(Block& block, Shared& shared) const
// the work of one block, as phases: block.each(body) calls body(thread) for every thread, then all wait for each other.
// What a thread keeps from phase to phase is a PerThread.

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "kernels/error.h"

#define TESSERA_DEVICE __device__

namespace tessera::cuda {

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw ResourceError("cuda_error", std::string(what) + ": " + cudaGetErrorString(status));
}

struct Block {
  std::int64_t index;
  template <class Body>
  TESSERA_DEVICE void each(const Body& body) const {
    body(static_cast<int>(threadIdx.x));
    __syncthreads();
  }
};

template <class T, int kThreads>
struct PerThread {
  T value;
  TESSERA_DEVICE T& operator[](int) { return value; }
};

template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads) run_block(const Kernel kernel) {
  __shared__ typename Kernel::Shared shared;
  Block block{static_cast<std::int64_t>(blockIdx.x)};
  kernel(block, shared);
}

template <class Kernel>
void launch(const Kernel& kernel, std::int64_t blocks) {
  if (blocks == 0) return;
  run_block<<<static_cast<unsigned>(blocks), Kernel::kThreads>>>(kernel);
  check(cudaGetLastError(), "kernel launch");
}

}  // namespace tessera::cuda
