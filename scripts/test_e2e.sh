#!/usr/bin/env bash
# End-to-end tests with llama.cpp and an independent GGUF reader from npm: `test_e2e.sh PATH-OF-MTPGRAFT`.
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
node tests/e2e/e2e.mjs --mtpgraft "$1"
