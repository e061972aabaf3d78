#!/usr/bin/env bash
# Compiles runtime.cc against npm's libraries of llama.cpp v0.5.0, to OUT_DIR/runtime: `build_runtime.sh OUT_DIR`. Its
# converter of checkpoints is then in OUT_DIR/llama.cpp. Needs what fetch_llama_cpp.sh needs.
set -euo pipefail
mkdir -p "${1:?the directory}"
out=$(realpath "$1")
cd "$(dirname "$0")"

./fetch_llama_cpp.sh "$out"
git -C "$out/llama.cpp" checkout -q HEAD -- common conversion ggml/include gguf-py include

cd "$out/llama.cpp"
"${CXX:-g++}" -std=c++17 -O1 -Icommon -Iggml/include -Iinclude "-Wl,-rpath,\$ORIGIN" "$OLDPWD/runtime.cc" \
  "$out"/lib{llama-common,llama.v*,ggml.v*,ggml-base}.so -o "$out/runtime"
