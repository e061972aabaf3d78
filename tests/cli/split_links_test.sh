#!/usr/bin/env bash
# The files of a split model that stay are linked, cloned or copied, as --link says and the disks allow.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/split.sh"

expect_exit 0 "$MTPGRAFT" graft --json --link=sym "$FOUR" "$DONOR"
expect_json "[file['way'] for file in x['result']['outputs']] == ['written'] + ['symlinked'] * 3 + ['written']"
[[ $(readlink "$(shard four-MTP-Q4_K_M 2 5)") == "$(shard four-Q4_K_M 2 4)" ]] || fail "no relative link"
expect_exit 0 "$MTPGRAFT" verify -q "$OUT" --target "$FOUR" --donor "$DONOR"
mkdir elsewhere
expect_exit 0 "$MTPGRAFT" graft -q --link=sym "$FOUR" "$DONOR" -o elsewhere/x.gguf
expect_exit 0 "$MTPGRAFT" verify -q elsewhere/x-00001-of-00005.gguf --target "$FOUR" --donor "$DONOR"
# Links to links lead to the shards themselves.
expect_exit 0 "$MTPGRAFT" graft -q --replace "$OUT" "$DONOR" -o elsewhere/y.gguf
expect_link hard "elsewhere/$(shard y 3 5)" "$(shard four-Q4_K_M 3 4)"
[[ ! -L elsewhere/$(shard y 3 5) ]] || fail "a link to a symbolic link"
rm -r elsewhere
rm four-MTP-*

# Across file systems.
if mount_fs tmpfs; then
  inputs+=(tmpfs)
  expect_exit 4 "$MTPGRAFT" graft --link=hard "$FOUR" "$DONOR" -o tmpfs/x.gguf
  expect_stderr <<'TEXT'
mtpgraft: tmpfs/x-00002-of-00005.gguf: cannot hard-link 'four-Q4_K_M-00002-of-00004.gguf': Invalid cross-device link
  hint: use --link=auto, which clones or copies where that is impossible
TEXT
  expect_exit 4 "$MTPGRAFT" graft --link=clone "$FOUR" "$DONOR" -o tmpfs/x.gguf
  expect_text "$STDERR" 'cannot clone the shard: the (output is on another file system|file system cannot share blocks)'
  no_leftovers tmpfs
  expect_exit 0 "$MTPGRAFT" graft --json "$FOUR" "$DONOR" -o tmpfs/x.gguf
  expect_json "[file['way'] for file in x['result']['outputs']] == ['written'] + ['copied'] * 3 + ['written']"
  expect_exit 0 "$MTPGRAFT" verify -q tmpfs/x-00001-of-00005.gguf --target "$FOUR" --donor "$DONOR"
  rm tmpfs/*
  # No room: nothing is left.
  fallocate -l 62M tmpfs/filler
  expect_exit 4 "$MTPGRAFT" graft "$FOUR" "$DONOR" -o tmpfs/x.gguf
  expect_text "$STDERR" '^mtpgraft: tmpfs/x-00001-of-00005.gguf: no space: 7\.4 MiB needed'
  no_leftovers tmpfs filler
fi

# Where blocks are shared.
if ! is_plain_posix && mount_fs xfs; then
  inputs+=(xfs)
  cp four-*.gguf xfs
  expect_exit 0 "$MTPGRAFT" graft --json --link=clone --copy=clone "xfs/$FOUR" "$DONOR"
  expect_json "[file['way'] for file in x['result']['outputs']] == ['written'] + ['cloned'] * 3 + ['written']"
  expect_json "x['result']['bytes_cloned'] > 6600000 and x['result']['bytes_allocated'] < 1300000"
fi
no_leftovers . "${inputs[@]}"
