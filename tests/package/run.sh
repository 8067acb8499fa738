#!/usr/bin/env bash
# Installs into an empty prefix and uses what is there as a stranger would: the program with its model, and a program
# of ten lines that finds the library with find_package.   tests/package/run.sh BUILD_FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >/dev/null
cd "$work"
prefix/bin/tessera tokenize "$here/samples/media/speech.flac" -o codes.jsonl
prefix/bin/tessera detokenize codes.jsonl -o back.wav
test -s back.wav
test -s prefix/share/man/man1/tessera.1
cmake -S "$here/samples/library" -B example -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build example >/dev/null
example/round_trip prefix/share/tessera/model/audio_codec
