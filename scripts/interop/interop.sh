#!/usr/bin/env bash
# Makes docs/interop.md: what other readers and runtimes of GGUF say of mtpgraft's outputs. `interop.sh PATH-OF-MTPGRAFT`
# Needs what scripts/test.sh needs, git, and the npm registry; x86-64 only, as the libraries from npm are.
set -euo pipefail
mtpgraft=$(realpath "${1:?the program}")
cd "$(dirname "$0")/../.."
build=$PWD/build/interop

quiet=(--omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error)
npm ci "${quiet[@]}" --prefix tests/e2e >&2
# Without a lock file: node-llama-cpp has optional packages for other systems that not every registry has.
npm install "${quiet[@]}" --no-package-lock --prefix scripts/interop >&2

# node-llama-cpp brings the source of llama.cpp, and its libraries built: two of its programs are compiled against them,
# and gguf-py is in it. The programs look for processor libraries where they are themselves.
package=$PWD/scripts/interop/node_modules/node-llama-cpp/llama
libraries=$PWD/scripts/interop/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64
mkdir -p "$build"
[[ -d $build/llama.cpp ]] || git clone -q "$package/gitRelease.bundle" "$build/llama.cpp"
mkdir -p "$build/bin"
ln -sf "$libraries"/*.so "$build/bin"
cd "$build/llama.cpp"
compile=(g++ -std=c++17 -w -O1 -Iinclude -Iggml/include -Icommon -Ivendor -Ivendor/hash "-Wl,-rpath,\$ORIGIN")
if [[ ! -e $build/bin/llama-gguf-hash ]]; then
  for source in xxhash sha256; do
    gcc -w -O1 -Ivendor/hash -c "vendor/hash/$source/$source.c" -o "$build/$source.o"
  done
  "${compile[@]}" examples/gguf-hash/gguf-hash.cpp -x c++ vendor/hash/sha1/sha1.c -x none "$build"/{xxhash,sha256}.o \
    "$build/bin/libggml-base.so" -o "$build/bin/llama-gguf-hash"
fi
if [[ ! -e $build/bin/llama-speculative-simple ]]; then
  "${compile[@]}" examples/speculative-simple/speculative-simple.cpp "$build"/bin/lib{llama-common,llama*,ggml.*,ggml-base}.so \
    -o "$build/bin/llama-speculative-simple"
fi
cd ../../..

tests/e2e/build_runtime.sh "$build/runtime"
tests/e2e/build_llama_server.sh "$build/runtime"

node scripts/interop/interop.mjs --mtpgraft "$mtpgraft" >"$build/interop.md"
tests/e2e/e2e_architectures.py --mtpgraft "$mtpgraft" --runtime "$build/runtime/runtime" >"$build/architectures.md"
/usr/bin/python3 tests/e2e/e2e_checkpoints.py --mtpgraft "$mtpgraft" --llama-cpp "$build/runtime/llama.cpp" \
  --runtime "$build/runtime/runtime" >"$build/checkpoints.md"
scripts/interop/images.py --mtpgraft "$mtpgraft" --server "$build/runtime/llama-server" >"$build/server.md"
cat "$build/interop.md" <(echo) "$build/server.md" <(echo) "$build/architectures.md" <(echo) "$build/checkpoints.md" >docs/interop.md
