#!/usr/bin/env bash
# cmake --install gives a program that runs and a package that another project builds with.
set -euo pipefail
: "${SOURCE_DIR:?}" "${BUILD_DIR:?}" "${FIXTURES_DIR:?}"
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
build_with_package() {
  cmake -S "$1" -B "$2" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror $flags" >/dev/null
  cmake --build "$2" >/dev/null
}
build_with_package "$SOURCE_DIR/tests/install/consumer" "$work/consumer"
answer=$("$work/consumer/consumer" "$SOURCE_DIR/tests/models/target-12L-Q4_K_M.gguf")
[[ $answer == 'qwen35 162' ]] || { echo "the consumer printed '$answer'"; exit 1; }

# The example does what the program does, with a split target and a checkpoint as donor.
build_with_package "$SOURCE_DIR/examples" "$work/examples"
cp "$FIXTURES_DIR"/split/four-Q4_K_M-*.gguf "$work"
cp -r "$SOURCE_DIR/tests/models/hf-base-8L" "$work/base"
cd "$work"
examples/graft four-Q4_K_M-00001-of-00004.gguf base >files.txt
mkdir program
prefix/bin/mtpgraft graft -q four-Q4_K_M-00001-of-00004.gguf base -o program/four-MTP-Q4_K_M.gguf
[[ $(wc -l <files.txt) == 5 ]] || { echo "the example wrote:"; cat files.txt; exit 1; }
while read -r file; do
  cmp "$file" "program/$file"
done <files.txt
