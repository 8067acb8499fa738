#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"

namespace tessera::cuda {

/// Copies from the emulated device to the host so far: each is a wait on a GPU. Null where a real GPU is linked.
TESSERA_CUDA_TWIN std::int64_t emulated_downloads();

}  // namespace tessera::cuda
