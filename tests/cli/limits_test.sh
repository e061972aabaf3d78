#!/usr/bin/env bash
# Limits that the system sets: on the size of files, on open files, on memory. Each ends in an error or in the result,
# never in a signal, and nothing is left.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
use "$TARGET" "$DONOR"
cp "$FIXTURES_DIR"/split/four-* .
FOUR=four-Q4_K_M-00001-of-00004.gguf
mkdir out
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o "$GRAFT"
"$MTPGRAFT" checksum "$GRAFT" >sums

# The size of files, in KiB, with the signal's default action.
limited() (
  ulimit -f "$1"
  shift
  exec "$@"
)
for arguments in "graft $TARGET $DONOR -o out/x.gguf" "graft $TARGET $DONOR -o out/x.gguf --copy=kernel" \
  "graft --split-head $TARGET $DONOR -o out/x.gguf" "graft --merge $FOUR $DONOR -o out/x.gguf" \
  "graft --link=copy $FOUR $DONOR -o out/x.gguf" "extract $GRAFT -o out/x.gguf" "strip $GRAFT -o out/x.gguf"; do
  # shellcheck disable=SC2086  # several words
  expect_exit 4 limited 1000 "$MTPGRAFT" $arguments
  expect_text "$STDERR" '^mtpgraft: out/x[^ ]*\.gguf: cannot (create|write|reserve space for the output): File too large$'
  expect_nothing_on stdout
  no_leftovers out
done
# Only the list is too long.
expect_exit 4 limited 8 "$MTPGRAFT" checksum "$GRAFT"
expect_text "$STDERR" '^mtpgraft: cannot write to stdout: File too large$'
# In place: put back. The new size is above the limit, the old one is not.
for fs in ext4 xfs; do
  ! is_plain_posix && mount_fs $fs || continue
  cp -L "$TARGET" "$fs/target.gguf"
  expect_exit 4 limited 7000 "$MTPGRAFT" graft --in-place "$fs/target.gguf" "$DONOR"
  expect_text "$STDERR" "^mtpgraft: .*$fs/target.gguf: cannot [a-z ]+: File too large\$"
  expect_same "$fs/target.gguf" "$TARGET"
  rm -rf $fs/lost+found
  no_leftovers $fs target.gguf
done

# Open files, from none that could be opened to as many as it takes.
reached=
for ((limit = 3; limit < 30; limit++)); do
  run prlimit --nofile=$limit:$limit "$MTPGRAFT" graft -q "$FOUR" "$DONOR" -o out/x.gguf
  if [[ $code == 0 ]]; then
    reached=$limit
    break
  fi
  # Below, the program itself is not even loaded.
  ((limit < 5)) && continue
  [[ $code == 4 ]] || fail "exit code $code, expected 4, with $limit open files: $(cat "$STDERR")"
  expect_text "$STDERR" '^mtpgraft: .*\.gguf: .*: Too many open files$'
  no_leftovers out
done
[[ $reached ]] || fail "30 open files are not enough for a split model of 5"
expect_exit 0 "$MTPGRAFT" verify -q out/x-00001-of-00005.gguf --target "$FOUR" --donor "$DONOR"
rm out/*

# Memory, from less than the program itself takes to enough.
in_memory() {
  local kib
  for ((kib = 6000; kib < 1000000; kib += kib / 32)); do
    # Too little for the libraries, before the program itself has begun.
    prlimit --as=$((kib * 1024)) "$MTPGRAFT" --version >"$STDOUT" 2>&1 || continue
    run prlimit --as=$((kib * 1024)) "$@"
    [[ $code != 0 ]] || return 0
    [[ $code == 4 ]] || fail "exit code $code with $kib KiB of memory: $*: $(cat "$STDERR")"
    no_leftovers out
  done
  fail "no memory is enough for: $*"
}
in_memory "$MTPGRAFT" checksum "$GRAFT"
in_memory "$MTPGRAFT" verify "$GRAFT" --target "$TARGET" --donor "$DONOR"
in_memory "$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o out/x.gguf
rm out/x.gguf
