#!/usr/bin/env bash
# Installs what is missing, builds (release, sanitizers, and for the GPU where nvcc is), runs every test.
# Ends with ctest's summary of the release build; any failure before it ends the script.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1
started=$SECONDS
step() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - started)); }

step "packages"
bash samples/setup.sh --tests

step "structure"
python3 tests/structure/check_structure.py

step "address and undefined-behaviour sanitizers"
cmake --preset asan >/dev/null
cmake --build --preset asan
# The tracer of Clang 14's LeakSanitizer now and then dies itself while a library's threads end: a second try tells.
ctest --preset asan -j 2 --output-on-failure --repeat until-pass:2

step "thread sanitizer"
cmake --preset tsan >/dev/null
cmake --build --preset tsan
ctest --preset tsan -j 2 --output-on-failure

step "fuzzing"
bash tests/fuzz/short_run.sh

if command -v nvcc >/dev/null; then
  step "CUDA for sm_80 and sm_90"
  cmake --preset cuda -DTESSERA_TESTS=OFF >/dev/null
  cmake --build --preset cuda --target tessera_cuda
fi

step "release"
cmake --preset release -DTESSERA_TESTS=ON -DTESSERA_WERROR=ON -DCMAKE_UNITY_BUILD=ON >/dev/null
cmake --build --preset release
ctest --preset release -j 2 --output-on-failure
