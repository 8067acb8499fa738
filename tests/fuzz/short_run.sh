#!/usr/bin/env bash
# A few seconds of each libFuzzer target over its corpus: tests/fuzz/short_run.sh [SECONDS [SEED]]
# The seed is fixed, so that a change is judged by what it changes; long runs take seeds of their own (0: a random one).
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-10}
seed=${2:-1}
cmake --preset asan >/dev/null
targets=$(cd tests/fuzz && ls fuzz_*.cc | sed 's/\.cc$//')
# shellcheck disable=SC2086
cmake --build --preset asan --target $targets
for target in $targets; do
  name=${target#fuzz_}
  work=$(mktemp -d)
  options=("-seed=$seed" -max_total_time="$seconds" -print_final_stats=0 -verbosity=0 -rss_limit_mb=2048)
  [ -f "tests/fuzz/$name.dict" ] && options+=("-dict=tests/fuzz/$name.dict")
  "build-asan/$target" "${options[@]}" "$work" "tests/fuzz/corpus/$name"
  rm -rf "$work"
  echo "$target: $seconds s, nothing found"
done
