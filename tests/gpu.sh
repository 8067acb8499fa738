#!/usr/bin/env bash
# On a machine with a GPU, nvcc, CMake, a C++20 compiler and no media libraries: builds the kernels and codecs with
# CUDA, holds every operation to its scalar rule on the GPU, compares the codecs' ids and samples with the CPU's bit
# for bit, then times the kernels. Needs GoogleTest and Highway headers; both are looked for in /usr and $TESSERA_DEPS.
#   tests/gpu.sh [OUTPUT_FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-build-gpu/report}
architecture=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d '. ')
cmake -S . -B build-gpu -DCMAKE_BUILD_TYPE=Release -DTESSERA_CUDA=ON -DTESSERA_MEDIA=OFF \
  -DCMAKE_CUDA_ARCHITECTURES="$architecture" -DCMAKE_PREFIX_PATH="${TESSERA_DEPS:-}"
cmake --build build-gpu -j "$(nproc)"
mkdir -p "$out"
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv > "$out/device.csv"
build-gpu/kernels_test 2>&1 | tee "$out/kernels.txt" | tail -5
build-gpu/codec_test 2>&1 | tee "$out/codec.txt" | tail -5
build-gpu/kernels_test --bench --gtest_filter='*Speed*' 2>&1 | tee "$out/bench.txt"
