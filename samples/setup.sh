#!/usr/bin/env bash
# Installs what the build needs from the distribution (Debian 12 or later) and builds build/tessera.
#   samples/setup.sh             packages and program
#   samples/setup.sh --tests     packages for the tests too; builds nothing
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(g++ cmake ninja-build pkg-config libhwy-dev nlohmann-json3-dev libcli11-dev zlib1g-dev
  libsndfile1-dev libjpeg-dev libpng-dev libavformat-dev libavcodec-dev libavutil-dev libswscale-dev
  libopencv-imgcodecs-dev libtiff-dev libpcre2-dev libsentencepiece-dev)
test_packages=(clang libclang-rt-14-dev libgtest-dev python3 ffmpeg)

install_missing() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

install_missing "${packages[@]}"
if [ "${1:-}" = "--tests" ]; then
  install_missing "${test_packages[@]}"
  exit 0
fi
cmake --preset release -DTESSERA_TESTS=OFF -DTESSERA_WERROR=OFF -DCMAKE_UNITY_BUILD=ON >/dev/null
cmake --build --preset release
