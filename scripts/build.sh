#!/usr/bin/env bash
# Configures and builds one preset, through ccache where it is installed:
# `build.sh PRESET [-DOPTION=VALUE...] [--target TARGET...]`.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?preset}
command -v ccache >/dev/null && export CMAKE_CXX_COMPILER_LAUNCHER=ccache
# What ccache asks for where headers are precompiled.
export CCACHE_SLOPPINESS=pch_defines,time_macros
shift
definitions=()
while [[ ${1:-} == -D* ]]; do
  definitions+=("$1")
  shift
done
cmake --preset "$preset" "${definitions[@]}" >/dev/null
cmake --build --preset "$preset" "$@"
