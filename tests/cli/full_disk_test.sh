#!/usr/bin/env bash
# A disk that others fill after the program has found room on it: an error that names the output, nothing left, and a file
# that was changed in place put back.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
use "$TARGET" "$DONOR"
cp "$FIXTURES_DIR/split/"four-* .
FOUR=four-Q4_K_M-00001-of-00004.gguf
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o "$GRAFT"

export -f leave_room

# fills_up FS KIB COMMAND...: with so much room left when the command has staged its first output, or written its journal.
fills_up() {
  local fs=$1 kib=$2 moment=staged=$1
  shift 2
  [[ $* != *--in-place* ]] || moment=there=$3.mtpgraft-journal
  find "$fs" -mindepth 1 -printf '%P\n' >"$SCRATCH/names"
  run timeout 60 python3 -B "$TEST_DIR/when.py" "$moment" "leave_room $fs $kib" "$MTPGRAFT" "$@"
  last_command="$* with $kib KiB left"
  rm -f "$fs"/filler*
  sync -f "$fs"
}
expect_failed() {
  [[ $code == 4 ]] || fail "exit code $code, expected 4: $last_command: $(cat "$STDERR")"
  expect_text "$STDERR" "^mtpgraft: .*$1: cannot [a-z -]+: $2\$"
  expect_text "$STDERR" '^  hint: free some space, or write to another disk$'
  expect_nothing_on stdout
  mapfile -t names <"$SCRATCH/names"
  no_leftovers "$fs" "${names[@]}"
}

for fs in ext4 xfs; do
  mount_fs $fs || continue
  for way in buffered kernel; do
    fills_up $fs 3000 graft --copy=$way "$TARGET" "$DONOR" -o $fs/x.gguf
    expect_failed 'x.gguf' 'No space left on device'
  done
  fills_up $fs 0 graft "$TARGET" "$DONOR" -o $fs/x.gguf
  expect_failed 'x.gguf' 'No space left on device'
  for kib in 500 3000; do
    fills_up $fs $kib graft --link=copy "$FOUR" "$DONOR" -o $fs/x.gguf
    expect_failed 'x-0000.-of-00005.gguf' 'No space left on device'
  done
  fills_up $fs 7000 graft --split-head "$TARGET" "$DONOR" -o $fs/x.gguf
  expect_failed 'x-0000.-of-00002.gguf' 'No space left on device'
  fills_up $fs 3000 strip "$GRAFT" -o $fs/x.gguf
  expect_failed 'x.gguf' 'No space left on device'
  fills_up $fs 500 extract "$GRAFT" -o $fs/x.gguf
  expect_failed 'x.gguf' 'No space left on device'
  fills_up $fs 500 extract "$GRAFT" --head-type bf16 -o $fs/x.safetensors
  expect_failed 'x.safetensors' 'No space left on device'
  if [[ $fs == ext4 ]]; then
    # Room for the output, and not for its checksums: neither is left.
    fills_up ext4 7600 graft "$TARGET" "$DONOR" -o ext4/x.gguf --checksums ext4/x.sums
    expect_failed 'x.sums' 'No space left on device'
  fi

  ! is_plain_posix || continue
  # What lies on the disk itself: a clone needs room for the head only, an insertion for head and journal.
  cp -L --reflink=never "$TARGET" "$DONOR" $fs
  if [[ $fs == xfs ]]; then
    fills_up xfs 500 graft --copy=clone "xfs/$TARGET" "xfs/$DONOR" -o xfs/x.gguf
    expect_failed 'x.gguf' 'No space left on device'
  else
    for kib in 0 4 64 500 900; do
      fills_up ext4 $kib graft --in-place "ext4/$TARGET" "ext4/$DONOR"
      expect_failed "$TARGET" 'No space left on device'
      expect_same "ext4/$TARGET" "$TARGET"
    done
    cp "$GRAFT" ext4/graft.gguf
    fills_up ext4 0 strip --in-place ext4/graft.gguf
    [[ $code == 0 ]] || fail "strip needs room: $(cat "$STDERR")"
    expect_same ext4/graft.gguf "$TARGET"
  fi
done

# A quota, which free space does not tell of. Of the file systems here Btrfs has one without further programs.
if mount_fs btrfs && btrfs quota enable btrfs 2>/dev/null; then
  btrfs subvolume create btrfs/limited >/dev/null
  btrfs qgroup limit 3M btrfs/limited
  fs=btrfs/limited
  : >"$SCRATCH/names"
  for arguments in "graft $TARGET $DONOR -o $fs/x.gguf" "graft --copy=buffered $TARGET $DONOR -o $fs/x.gguf --checksums $fs/x.sums" \
    "graft --link=copy $FOUR $DONOR -o $fs/x.gguf" "strip $GRAFT -o $fs/x.gguf"; do
    # shellcheck disable=SC2086  # several words
    run "$MTPGRAFT" $arguments
    expect_failed 'x[-0-9of]*.gguf' 'Disk quota exceeded'
  done
  expect_exit 0 "$MTPGRAFT" extract -q "$GRAFT" -o $fs/x.gguf
fi
