#pragma once

// Runs the kernels of kernels/*.cu on the host: blocks and threads are loops. A phase runs its threads in ascending
// order, or descending when the environment variable TESSERA_EMULATION_REVERSE is set: two threads of one phase that
// touch the same memory then give different bits, and the sanitizers see every address.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/error.h"

#define TESSERA_DEVICE

namespace tessera::cuda {

struct Block {
  std::int64_t index;
  int threads;
  bool reverse;
  template <class Body>
  void each(const Body& body) const {
    for (int i = 0; i < threads; ++i) body(reverse ? threads - 1 - i : i);
  }
};

template <class T, int kThreads>
struct PerThread {
  std::vector<T> values = std::vector<T>(kThreads);
  T& operator[](int thread) { return values[static_cast<std::size_t>(thread)]; }
};

template <class Kernel>
void launch(const Kernel& kernel, std::int64_t blocks) {
  const bool reverse = std::getenv("TESSERA_EMULATION_REVERSE") != nullptr;
  // A fresh heap block a launch, filled with a pattern: reads of shared memory nobody wrote show up.
  auto shared = std::make_unique<typename Kernel::Shared>();
  for (std::int64_t i = 0; i < blocks; ++i) {
    const std::int64_t index = reverse ? blocks - 1 - i : i;
    std::fill_n(reinterpret_cast<unsigned char*>(shared.get()), sizeof(typename Kernel::Shared), 0xff);
    Block block{index, Kernel::kThreads, reverse};
    kernel(block, *shared);
  }
}

}  // namespace tessera::cuda
