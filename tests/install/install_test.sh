#!/usr/bin/env bash
# cmake --install gives a program that runs and a package that another project builds with.
set -euo pipefail
: "${SOURCE_DIR:?}" "${BUILD_DIR:?}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$BUILD_DIR" --prefix "$work/prefix" >/dev/null
"$work/prefix/bin/mtpgraft" --version
for file in man/man1/mtpgraft.1 bash-completion/completions/mtpgraft zsh/site-functions/_mtpgraft \
  fish/vendor_completions.d/mtpgraft.fish; do
  [[ -s $work/prefix/share/$file ]] || { echo "share/$file is not installed"; exit 1; }
done

# A sanitized library needs its users sanitized too.
flags=$(sed -n 's/^CMAKE_CXX_FLAGS:[A-Z]*=//p' "$BUILD_DIR/CMakeCache.txt" | grep -o -- '-fsanitize=[a-z,]*' || true)
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$BUILD_DIR/CMakeCache.txt")
cmake -S "$SOURCE_DIR/tests/install/consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS="$flags" >/dev/null
cmake --build "$work/build" >/dev/null
answer=$("$work/build/consumer" "$SOURCE_DIR/tests/models/target-12L-Q4_K_M.gguf")
[[ $answer == 'qwen35 162' ]] || { echo "the consumer printed '$answer'"; exit 1; }
