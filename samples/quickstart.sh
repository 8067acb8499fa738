#!/usr/bin/env bash
# Sets up (packages, build) and does the main job on real speech and a photograph with the embedded codecs:
# inspect -> tokenize -> detokenize, with figures, audio and pictures under build/quickstart/.
set -euo pipefail
cd "$(dirname "$0")/.."
bash samples/setup.sh

out=build/quickstart
clip=samples/media/speech.flac
photo=samples/media/coffee.png
mkdir -p "$out"
say() { printf '\n\033[1m$ tessera %s\033[0m\n' "$*"; }
run() { say "$@"; build/tessera "$@"; }

run inspect "$clip"
run inspect samples/model/audio_codec
run tokenize "$clip" "$photo" --quality -o "$out/codes.jsonl" --overwrite
cut -c1-300 "$out/codes.jsonl"; echo ' ...'
run detokenize "$out/codes.jsonl" -o "$out/back/" --overwrite
run inspect "$clip" --report "$out/report" --overwrite
run bench codec "$clip"

printf '\nListen: %s and, from %s ids a second, %s\nLook:   %s/report/index.html, %s and, from 256 ids, %s\n' \
  "$clip" 100 "$out/back/speech.wav" "$out" "$photo" "$out/back/coffee.png"
