# shellcheck shell=bash
# Sourced after common.sh and mounts.sh by the tests of graft --in-place, and of recover after it.
! is_plain_posix || skip_all "the program does not change files in place"
use "$TARGET" "$DONOR"
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o reference.gguf
sha_before=$(sha256sum <"$TARGET")

# on_file_systems FUNCTION: calls it with a directory on each file system, and the way in which files are changed there:
# `clone` where files share blocks, else `insert`. The directory `own` is on the one that the tests run on.
on_file_systems() {
  local fs way
  for fs in ext4 xfs-noreflink xfs btrfs; do
    mount_fs $fs || continue
    way=insert
    [[ $fs != xfs && $fs != btrfs ]] || way=clone
    "$1" $fs $way
  done
  case $(stat -f -c %T .) in
    ext2/ext3 | xfs)
      mkdir own
      cp -L "$TARGET" own
      way=insert
      ! cp --reflink=always "own/$TARGET" own/clone 2>/dev/null || way=clone
      "$1" own $way
      ;;
  esac
}

# where_blocks_are_inserted FUNCTION: calls it with a directory on each file system where only `insert` is possible.
where_blocks_are_inserted() {
  local fs
  for fs in ext4 xfs-noreflink; do
    mount_fs $fs || continue
    "$1" $fs
  done
}

# fresh DIR: nothing in it but target and donor.
fresh() {
  find "$1" -mindepth 1 -not -name lost+found -delete
  cp -L --reflink=never --sparse=never "$TARGET" "$DONOR" "$1"
}

# expect_only DIR NAME...: the directory holds these names.
expect_only() {
  local directory=$1
  shift
  if [[ -e $directory/lost+found ]]; then
    set -- "$@" lost+found
  fi
  no_leftovers "$directory" "$@"
}

expect_unchanged() {
  [[ $(sha256sum <"$1") == "$sha_before" ]] || fail "$1 has changed after: $last_command"
  [[ ! -e $1.mtpgraft-journal ]] || fail "a journal was left by: $last_command"
}

expect_json() {
  [[ $(json "$1" 2>/dev/null) == True ]] || fail "not true: $1, of: $last_command: $(cat "$STDOUT")"
}

# at_journal ACTION TARGET DONOR: grafts in place into a fresh TARGET, and runs ACTION when the journal is there and
# nothing else is changed (see at_journal.py). Sets code as run() does.
at_journal() {
  local action=$1 target=$2 donor=$3
  rm -f "$target" "$target.mtpgraft-journal"
  cp -L --reflink=never --sparse=never "$TARGET" "$target"
  run timeout 60 python3 "$TEST_DIR/at_journal.py" "$action" "$target" "$MTPGRAFT" graft --in-place "$target" "$donor"
}

# leave_journal TARGET DONOR: the graft is killed when its journal is there; a copy is kept in ./journal.
leave_journal() {
  # shellcheck disable=SC2016  # the action expands it
  at_journal 'cp "$target.mtpgraft-journal" journal; kill -KILL $pid' "$1" "$2"
  [[ $code == 137 ]] || fail "exit code $code, expected 137: $last_command"
  expect_same "$1" "$TARGET"
  expect_text journal '^mtpgraft journal 1, step 1$'
}

# These make what an interrupted graft of $DONOR leaves of the file $target. They keep its inode, which the journal names.
old() { cat "$TARGET" >"$target"; }
appended() { old && tail -c +$((40512 + 6720000 - 36416 + 1)) reference.gguf >>"$target"; }
inserted() { appended && sync "$target" && fallocate -i -o "$1" -l 4096 "$target"; }
new_header() { head -c "$1" reference.gguf | dd of="$target" conv=notrunc status=none; }
