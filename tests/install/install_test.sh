#!/usr/bin/env bash
# cmake --install gives a program that runs, and a library that another project builds with: by its CMake package, and by
# pkg-config. The programs of docs/library.md are among what is built.
set -euo pipefail
: "${SOURCE_DIR:?}" "${BUILD_DIR:?}" "${FIXTURES_DIR:?}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME="$work/cache" NO_PROXY='*'

# What is installed can be moved.
cmake --install "$BUILD_DIR" --prefix "$work/installed" >/dev/null
mv "$work/installed" "$work/prefix"
"$work/prefix/bin/mtpgraft" --version
for file in man/man1/mtpgraft.1 bash-completion/completions/mtpgraft zsh/site-functions/_mtpgraft \
  fish/vendor_completions.d/mtpgraft.fish; do
  [[ -s $work/prefix/share/$file ]] || { echo "share/$file is not installed"; exit 1; }
done

# A sanitized library needs its users sanitized too.
flags=$(sed -n 's/^CMAKE_CXX_FLAGS:[A-Z]*=//p' "$BUILD_DIR/CMakeCache.txt" | grep -o -- '-fsanitize=[a-z,]*' || true)
flags="-Wall -Wextra -Werror $flags"
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$BUILD_DIR/CMakeCache.txt")
build_with_package() {
  cmake -S "$1" -B "$2" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_CXX_FLAGS="$flags" >/dev/null
  cmake --build "$2" >/dev/null
}
build_with_package "$SOURCE_DIR/tests/install/consumer" "$work/consumer"
answer=$("$work/consumer/consumer" "$SOURCE_DIR/tests/models/target-12L-Q4_K_M.gguf")
[[ $answer == 'qwen35 162' ]] || { echo "the consumer printed '$answer'"; exit 1; }

cd "$work"
cp "$FIXTURES_DIR"/split/four-Q4_K_M-*.gguf .
cp -r "$SOURCE_DIR/tests/models/hf-base-8L" base
cp "$SOURCE_DIR/tests/models/target-12L-Q4_K_M.gguf" Model-Q4_K_M.gguf
cp "$SOURCE_DIR/tests/models/mtp-base-8L-BF16.gguf" mtp-Base-BF16.gguf
serve() {
  coproc server { python3 -BIS "$SOURCE_DIR/tests/support/bad_server.py" . requests.txt; }
  read -r port _ <&"${server[0]}"
}

# The examples do what the program does: with a split target and a checkpoint as donor, and with a donor on a server.
expect_examples() {
  local examples=$1 file
  mkdir "$examples/wrote" program
  "$examples/graft" four-Q4_K_M-00001-of-00004.gguf base "$examples/wrote/four.gguf" >files.txt
  prefix/bin/mtpgraft graft -q four-Q4_K_M-00001-of-00004.gguf base -o program/four.gguf
  if [[ -n ${port-} ]]; then
    "$examples/graft" Model-Q4_K_M.gguf "http://127.0.0.1:$port/good/mtp-Base-BF16.gguf" "$examples/wrote/one.gguf" \
      >>files.txt
    prefix/bin/mtpgraft graft -q Model-Q4_K_M.gguf mtp-Base-BF16.gguf -o program/one.gguf
  fi
  while read -r file; do
    cmp "$file" "program/${file##*/}"
  done <files.txt
  [[ $(ls program) == "$(ls "$examples/wrote")" ]] || { echo "the example wrote:"; cat files.txt; exit 1; }
  "$examples/inspect" program/four-00001-of-00005.gguf >inspected.txt
  diff inspected.txt - <<'END'
architecture  qwen35
blocks        12, without the head's
head          present: 15 tensors, 1971712 bytes
END
  rm -r program
}
if prefix/bin/mtpgraft --version | grep -q libcurl; then
  serve
fi
build_with_package "$SOURCE_DIR/examples" "$work/examples"
expect_examples examples

if ! command -v pkg-config >/dev/null; then
  echo "pkg-config is not here: mtpgraft.pc and the programs of docs/library.md are not tried"
  exit 0
fi
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name mtpgraft.pc)")
export PKG_CONFIG_PATH
[[ $(pkg-config --modversion mtpgraft) == "$(prefix/bin/mtpgraft --version | sed -n '1s/^mtpgraft \([0-9.]*\).*/\1/p')" ]]
read -ra compile_flags <<<"-std=c++20 $flags $(pkg-config --cflags mtpgraft)"
read -ra link_flags <<<"$(pkg-config --static --libs mtpgraft)"
build_with_pkg_config() { "$compiler" "${compile_flags[@]}" "$1" "${link_flags[@]}" -o "$2"; }
mkdir examples2 page
build_with_pkg_config "$SOURCE_DIR/examples/graft.cc" examples2/graft
build_with_pkg_config "$SOURCE_DIR/examples/inspect.cc" examples2/inspect
expect_examples examples2

# The page's programs are its blocks of C++, in their order.
awk '/^```cpp$/ {file = sprintf("page/%d.cc", ++count); next} /^```$/ {file = ""} file {print > file}' \
  "$SOURCE_DIR/docs/library.md"
for program in page/*.cc; do
  build_with_pkg_config "$program" "${program%.cc}"
  "${program%.cc}" >said.txt
  sed -n 's|.*// prints: ||p' "$program" | diff said.txt - || { echo "$program prints something else"; exit 1; }
done
