#pragma once

#include <memory>

#include "kernels/arena.h"

// Symbols of the CUDA build are weak: a program linked without it finds null here, and Context refuses the device
// before any operation could be called.
#define TESSERA_CUDA_TWIN [[gnu::weak]]

namespace tessera::cuda {

/// Memory of GPU `index`, its copies ordered with the kernels.
TESSERA_CUDA_TWIN std::shared_ptr<Memory> device_memory(int index);
/// What GPU `index` has left.
TESSERA_CUDA_TWIN std::size_t free_bytes(int index);

}  // namespace tessera::cuda
