#!/usr/bin/env bash
# End-to-end tests with llama.cpp in two versions, its ggml and an independent GGUF reader from npm:
# `test_e2e.sh PATH-OF-MTPGRAFT`, where the unit tests are built too.
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
MTPGRAFT_GGML=tests/e2e/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64 \
  "${1%/*}/tests/mtpgraft_tests" --gtest_brief=1 --gtest_filter='Ggml*'
node tests/e2e/e2e.mjs --mtpgraft "$1"
tests/e2e/build_runtime.sh build/e2e
tests/e2e/e2e_architectures.py --mtpgraft "$1" --runtime build/e2e/runtime --report build/e2e/architectures.md ||
  { cat build/e2e/architectures.md && exit 1; }
