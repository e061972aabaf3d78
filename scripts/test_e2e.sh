#!/usr/bin/env bash
# End-to-end tests with llama.cpp in two versions, its server, its ggml, its converter and an independent GGUF reader
# from npm, and 20 seconds of random files that ggml and mtpgraft must judge alike: `test_e2e.sh PATH-OF-MTPGRAFT`,
# where the unit tests are built, too.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! npm ci --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error --prefix tests/e2e; then
  if [[ ${CI:-} == true ]]; then
    echo "the end-to-end tests need the npm registry" >&2
    exit 1
  fi
  echo "=== SKIPPED: the end-to-end tests with llama.cpp, because npm cannot be reached ===" >&2
  exit 0
fi
libraries=tests/e2e/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64
MTPGRAFT_GGML=$libraries "${1%/*}/tests/mtpgraft_tests" --gtest_brief=1 --gtest_filter='Ggml*'
mkdir -p build/e2e
"${1%/*}/tests/fuzz/differential" --ggml "$libraries/libggml-base.so" --seconds 20 --count 1000000000 --seed 1 \
  --out build/e2e
node tests/e2e/e2e.mjs --mtpgraft "$1"
tests/e2e/build_llama_server.sh build/e2e
tests/e2e/e2e_bench.py --mtpgraft "$1" --server build/e2e/llama-server
tests/e2e/build_runtime.sh build/e2e
tests/e2e/e2e_architectures.py --mtpgraft "$1" --runtime build/e2e/runtime --report build/e2e/architectures.md ||
  { cat build/e2e/architectures.md && exit 1; }

# Debian's torch and yaml are for Debian's python3, which need not be the first one.
python=/usr/bin/python3
python3 -c 'import numpy, torch, yaml' 2>/dev/null && python=python3
"$python" tests/e2e/e2e_checkpoints.py --mtpgraft "$1" --llama-cpp build/e2e/llama.cpp --runtime build/e2e/runtime \
  --report build/e2e/checkpoints.md || { cat build/e2e/checkpoints.md && exit 1; }
