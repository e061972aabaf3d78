#!/usr/bin/env bash
# Installs what is missing, builds, and tests. Without argument: every test, those with a real llama.cpp included.
#   test.sh plain   builds with what every POSIX system has, and passes the tests but those of clones and changes in place
#   test.sh asan    builds all with clang, runs the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer, and
#                   fuzzes each target for 20 seconds
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
  plain)
    scripts/install_dependencies.sh test
    scripts/build.sh plain-posix
    ctest --preset plain-posix
    ;;
  asan)
    scripts/install_dependencies.sh asan
    scripts/build.sh asan
    ctest --preset asan
    scripts/fuzz.sh
    ;;
  tidy)
    scripts/install_dependencies.sh tidy
    git ls-files '*.cc' '*.h' | xargs clang-format --dry-run -Werror
    cmake --preset asan >/dev/null
    # The preset compiles several sources as one, so that clang-tidy reads their headers once.
    run-clang-tidy -quiet -p build/asan "$PWD/(build/asan/CMakeFiles|src)/"
    ;;
  *)
    echo "usage: scripts/test.sh [plain|asan|tidy]" >&2
    exit 2
    ;;
esac
