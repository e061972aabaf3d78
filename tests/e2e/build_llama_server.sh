#!/usr/bin/env bash
# Builds llama.cpp v0.5.0's server, without its web pages, to OUT_DIR/llama-server: `build_llama_server.sh OUT_DIR`.
# Only what npm's libraries lack is compiled, without optimisation, in two big sources: 30 seconds of CPU, where
# llama.cpp's own build takes ten minutes. Needs what fetch_llama_cpp.sh needs.
set -euo pipefail
mkdir -p "${1:?the directory}"
out=$(realpath "$1")
script=$(realpath "$0")
cd "$(dirname "$0")"

[[ $out/llama-server -nt $script ]] && exit

./fetch_llama_cpp.sh "$out"
cd "$out/llama.cpp"
git checkout -q HEAD -- common ggml/include include src/llama-ext.h tools/mtmd tools/server tools/ui/ui.{h,cpp}.in \
  vendor

objects=$out/llama-server.objects
mkdir -p "$objects"
# As its CMake fills them in when there are no pages.
sed 's/@N_ASSETS@/0/; /^#cmakedefine/d' tools/ui/ui.h.in >"$objects/ui.h"
sed 's/@N_ASSETS@/0/; s/@USE_GZIP@/false/; /^@/d' tools/ui/ui.cpp.in >"$objects/ui.cpp"

compile() {  # OBJECT SOURCE...
  local object=$1
  shift
  printf '#include "%s"\n' "$@" >"$objects/$object.cpp"
  # shellcheck disable=SC2046 # nothing, or a word
  $(type -P ccache) "${CXX:-g++}" -std=c++17 -O0 -w -DNDEBUG -DGGML_USE_CPU -DLLAMA_SUBPROCESS -I"$objects" -I. \
    -Icommon -Iggml/include -Iinclude -Itools/mtmd -Itools/server -Ivendor -Ivendor/hash \
    -c "$objects/$object.cpp" -o "$objects/$object.o"
}

compile server tools/server/*.cpp ui.cpp &
server=$!
compile mtmd tools/mtmd/models/*.cpp tools/mtmd/{clip,mtmd,mtmd-audio,mtmd-image}.cpp
# These must not see the headers of the former.
compile helper tools/mtmd/mtmd-helper{,-gen}.cpp hash.cpp sha256/sha256.c
wait "$server"

"${CXX:-g++}" "$objects"/*.o "$out"/lib{llama-common,llama.v*,ggml.v*,ggml-base}.so -pthread "-Wl,-rpath,\$ORIGIN" \
  -o "$objects/llama-server"
mv "$objects/llama-server" "$out"
