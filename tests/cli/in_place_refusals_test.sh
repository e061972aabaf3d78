#!/usr/bin/env bash
# graft --in-place refuses a file that it cannot change safely, says why, also in a dry run, and leaves it as it was.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/in_place.sh"

# refuses DIR PATTERN ARGUMENT...: exit code 5 and the reason; also in a dry run; the target is what it was.
refuses() {
  local directory=$1 pattern=$2 how
  shift 2
  for how in --dry-run ""; do
    # shellcheck disable=SC2086  # empty is no argument
    expect_exit 5 "$MTPGRAFT" graft --in-place $how "$@" "$directory/$TARGET" "$directory/$DONOR"
    expect_text "$STDERR" "^mtpgraft: .*$TARGET: $pattern"
    expect_unchanged "$directory/$TARGET"
  done
}

# What others have of the file, or may have.
shared_target_on() {
  local fs=$1 target=$1/$TARGET
  fresh "$fs"
  ln "$target" "$fs/second"
  refuses "$fs" 'has 2 names \(hard links\)'
  rm "$fs/second"
  chmod 444 "$target"
  refuses "$fs" 'is read-only'
  chmod 644 "$target"
  exec 9<"$target"
  refuses "$fs" 'another program has the file open'
  exec 9<&- 9>>"$target"
  refuses "$fs" 'another program has the file open'
  exec 9>&-
}

# Donors that are none.
donor_on() {
  local fs=$1 target=$1/$TARGET donor=$1/$DONOR
  fresh "$fs"
  expect_exit 5 "$MTPGRAFT" graft --in-place "$target" "$target"
  expect_unchanged "$target"
  expect_exit 3 "$MTPGRAFT" graft --in-place "$target" "$TARGET"
  expect_unchanged "$target"
  expect_exit 4 "$MTPGRAFT" graft --in-place "$target" "$fs/none.gguf"
  expect_unchanged "$target"
  expect_exit 4 "$MTPGRAFT" graft --in-place "$fs/none.gguf" "$donor"
}

# Where the checksums cannot be written nothing is changed.
checksums_on() {
  local fs=$1 target=$1/$TARGET donor=$1/$DONOR sums
  fresh "$fs"
  touch "$fs/sums"
  for sums in "$fs/sums" "$target" "$fs/../$target" "$donor"; do
    expect_exit 5 "$MTPGRAFT" graft --in-place --checksums "$sums" "$target" "$donor"
    expect_unchanged "$target"
  done
  expect_exit 4 "$MTPGRAFT" graft --in-place --checksums "$fs/none/sums" "$target" "$donor"
  expect_unchanged "$target"
}

# As one who is not root: only the owner can know that nobody else has the file open.
as_other_user_on() {
  local fs=$1
  [[ $(id -u) == 0 ]] || return 0
  chmod 711 "$SCRATCH" && chmod 755 . && chmod 777 "$fs"
  local as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  if ! "${as_nobody[@]}" test -x "$MTPGRAFT" 2>/dev/null; then
    skip_part "other users cannot run $MTPGRAFT"
    return 0
  fi
  fresh "$fs"
  chmod 666 "$fs/$TARGET"
  expect_exit 5 "${as_nobody[@]}" "$MTPGRAFT" graft --in-place "$fs/$TARGET" "$fs/$DONOR"
  expect_text "$STDERR" 'the system does not tell whether another program has the file open \(no lease\)$'
  expect_unchanged "$fs/$TARGET"
  chown 65534:65534 "$fs/$TARGET"
  chmod 444 "$fs/$TARGET"
  expect_exit 5 "${as_nobody[@]}" "$MTPGRAFT" graft --in-place "$fs/$TARGET" "$fs/$DONOR"
  expect_text "$STDERR" ': is read-only$'
  expect_unchanged "$fs/$TARGET"
  chmod 600 "$fs/$TARGET"
  expect_exit 0 "${as_nobody[@]}" "$MTPGRAFT" graft --in-place "$fs/$TARGET" "$fs/$DONOR"
  expect_same "$fs/$TARGET" reference.gguf
  [[ $(stat -c '%u %g %a' "$fs/$TARGET") == '65534 65534 600' ]] || fail "owner or mode were not kept"
  chmod 755 "$fs"
}

# No room for the head: seen before anything is changed.
no_room_on() {
  local fs=$1
  [[ $fs != own ]] || return 0
  fresh "$fs"
  leave_room "$fs" 400
  find "$fs" -mindepth 1 -maxdepth 1 -not -name lost+found -printf '%P\n' >"$SCRATCH/names"
  mapfile -t names <"$SCRATCH/names"
  expect_exit 4 "$MTPGRAFT" graft --in-place "$fs/$TARGET" "$fs/$DONOR"
  expect_nothing_on stdout
  expect_text "$STDERR" "^mtpgraft: $fs/$TARGET: no space: 1\\.[01] MiB needed, "
  expect_unchanged "$fs/$TARGET"
  expect_only "$fs" "${names[@]}"
}

# Options that do not go together.
for arguments in '-o out.gguf' --no-record --copy=auto --copy=clone --no-sync; do
  # shellcheck disable=SC2086
  expect_exit 2 "$MTPGRAFT" graft --in-place $arguments "$TARGET" "$DONOR"
done

refusals_on() {
  shared_target_on "$1"
  donor_on "$1"
  checksums_on "$1"
  as_other_user_on "$1"
  no_room_on "$1"
}
on_file_systems refusals_on

if mount_fs tmpfs; then
  fresh tmpfs
  refuses tmpfs 'its file system can neither share blocks between files nor shift them safely'
  expect_only tmpfs "$TARGET" "$DONOR"
fi
