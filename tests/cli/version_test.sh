#!/usr/bin/env bash
# --version has what a bug report needs; the commit is that of the sources which were built.
. "$(dirname "$0")/common.sh"

expect_exit 0 "$MTPGRAFT" --version
expect_nothing_on stderr
mapfile -t lines <"$STDOUT"
[[ ${lines[0]} =~ ^mtpgraft\ [0-9]+\.[0-9]+\.[0-9]+\ \(([0-9a-f]{12,}(-dirty)?|unknown)\)$ ]] ||
  fail "another first line: ${lines[0]}"
expect_text "$STDOUT" '^compiler   [A-Za-z]+ [0-9.]+, [A-Za-z]*, [A-Za-z]+ .+$'
expect_text "$STDOUT" '^libraries  CLI11 [0-9.]+, fmt [0-9.]+, nlohmann_json [0-9.]+, OpenSSL [0-9.]+, spdlog [0-9.]+'
features='clone, insert, '
[[ ${PLAIN_POSIX:-OFF} != ON ]] || features=
expect_text "$STDOUT" "^features   ${features}xxh128.*, (http \(libcurl, loaded at run time\)|no http)\$"
[[ ${#lines[@]} == 4 ]] || fail "${#lines[@]} lines"
for order in "--version --json" "--json --version"; do
  # shellcheck disable=SC2086  # two words
  expect_exit 0 "$MTPGRAFT" $order
  [[ $(json "x['command']") == version ]] || fail "not of version: $(cat "$STDOUT")"
  [[ "mtpgraft $(json "x['result']['version']+' ('+x['result']['commit']+')'")" == "${lines[0]}" ]] || fail "another version"
  [[ "features   $(json "', '.join(x['result']['features'])")" == "${lines[3]}" ]] || fail "other features"
  if grep -q 'http (libcurl' "$STDOUT"; then
    [[ $(json "x['result']['http_library']") == "libcurl "[0-9]* ]] || fail "no version of libcurl: $(cat "$STDOUT")"
  fi
done

command -v cmake >/dev/null || skip_all "no cmake"
command -v git >/dev/null || skip_all "no git"

# expect_commit COMMIT: what the build writes of ./sources.
expect_commit() {
  run cmake -D SOURCE_DIR="$PWD/sources" -D HEADER="$PWD/commit.h" -P "$SOURCE_DIR/scripts/cmake/commit.cmake"
  expect_nothing_on stdout stderr
  [[ $(cat commit.h) == "#define MTPGRAFT_COMMIT \"$1\"" ]] || fail "expected commit $1: $(cat commit.h)"
}
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
commit() { git -C sources -c user.name=x -c user.email=x@x.invalid commit -q "$@"; }

# An archive, also within the repository of something else.
git init -q .
mkdir sources
expect_commit unknown

git -C sources init -q
echo 1 >sources/file
git -C sources add file
commit -m 1
git -C sources tag v9
first=$(git -C sources rev-parse --short=12 HEAD)
expect_commit "$first"
touch -d 2000-01-01 commit.h
expect_commit "$first"
[[ $(stat -c %Y commit.h) == $(date -d 2000-01-01 +%s) ]] || fail "the header was written again without need"
echo 2 >sources/file
expect_commit "$first-dirty"
commit -am 2
expect_commit "$(git -C sources rev-parse --short=12 HEAD)"
[[ $(cat commit.h) != *"$first"* ]] || fail "the old commit is still there"
