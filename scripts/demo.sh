#!/usr/bin/env bash
# Installs what is missing, builds mtpgraft, and grafts a real head into a real quantised model.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_dependencies.sh build
scripts/build.sh release -DBUILD_TESTING=OFF

out=build/demo
rm -rf "$out" && mkdir -p "$out"
cp tests/models/target-12L-Q4_K_M.gguf "$out/Tiny-Q4_K_M.gguf"
cp tests/models/mtp-base-8L-Q8_0.gguf "$out/mtp-Base-Q8_0.gguf"
PATH=$PWD/build/release:$PATH
cd "$out"

run() {
  echo
  echo "\$ $*"
  "$@"
}
run mtpgraft inspect Tiny-Q4_K_M.gguf
run mtpgraft graft Tiny-Q4_K_M.gguf mtp-Base-Q8_0.gguf
run mtpgraft inspect Tiny-MTP-Q4_K_M.gguf
run mtpgraft verify Tiny-MTP-Q4_K_M.gguf --target Tiny-Q4_K_M.gguf --donor mtp-Base-Q8_0.gguf
# -t 1: on a model as small as this, threads wait for each other.
if command -v "${MTPGRAFT_LLAMA_SERVER:-llama-server}" >/dev/null; then
  run mtpgraft bench Tiny-MTP-Q4_K_M.gguf -- -t 1 -c 2048
else
  echo
  echo "There is no llama-server on PATH: with one, 'mtpgraft bench Tiny-MTP-Q4_K_M.gguf' measures what the head brings."
fi
echo
echo "The program is build/release/mtpgraft, the files are in $out."
