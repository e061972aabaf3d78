#!/usr/bin/env bash
# Installs what is missing, builds, and tests. Without argument: every test, those with a real llama.cpp included.
#   test.sh asan    the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   test.sh clang   builds with clang, warnings are errors
#   test.sh tidy    clang-format and clang-tidy
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-all} in
  all)
    scripts/install_dependencies.sh test
    scripts/build.sh release -DBUILD_TESTING=ON
    ctest --preset release
    scripts/test_e2e.sh build/release/mtpgraft
    ;;
  asan)
    scripts/install_dependencies.sh test
    scripts/build.sh asan --target mtpgraft_tests
    ctest --preset asan
    ;;
  clang)
    scripts/install_dependencies.sh clang
    scripts/build.sh clang
    ;;
  tidy)
    scripts/install_dependencies.sh tidy
    git ls-files '*.cc' '*.h' | xargs clang-format --dry-run -Werror
    cmake --preset clang >/dev/null
    run-clang-tidy -quiet -p build/clang "$PWD/src/"
    ;;
  *)
    echo "usage: scripts/test.sh [asan|clang|tidy]" >&2
    exit 2
    ;;
esac
