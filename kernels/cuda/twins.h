#pragma once

// Launchers of the CUDA kernels, one an operation. Arguments are checked and pointers lie on the device.

#include "kernels/activation.h"
#include "kernels/cuda/runtime.h"
#include "kernels/product_plan.h"

namespace tessera::cuda {

TESSERA_CUDA_TWIN void activate(Activation f, ConstMatrix input, Matrix out);
TESSERA_CUDA_TWIN void product(const ProductJob& job);

}  // namespace tessera::cuda
