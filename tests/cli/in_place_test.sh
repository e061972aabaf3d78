#!/usr/bin/env bash
# graft --in-place makes of the target the very file that -o would have written, with its owner, mode and name.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/in_place.sh"
"$MTPGRAFT" checksum reference.gguf >reference.sums
mkdir links

dry_run_on() {
  local target=$1/$TARGET donor=$1/$DONOR way=$2
  fresh "$1"
  expect_exit 0 "$MTPGRAFT" graft --in-place -n "$target" "$donor"
  if [[ $way == clone ]]; then
    expect_text "$STDOUT" "^in place: a new file that shares the target's blocks takes its name\$"
  else
    expect_text "$STDOUT" "^in place: 4\.0 KiB are inserted at the target's front, 1\.0 MiB appended\$"
  fi
  expect_text "$STDOUT" '^dry run: nothing was written; 1\.[01] MiB needed, '
  expect_unchanged "$target"
  expect_exit 0 "$MTPGRAFT" graft --in-place -n --json "$target" "$donor"
  expect_json "x['result']['in_place'] == '$way' and x['result']['seconds'] is None"
  expect_unchanged "$target"
}

# Mode and owner stay, and the file is the same where it is changed itself.
graft_on() {
  local target=$1/$TARGET donor=$1/$DONOR way=$2 owner inode
  fresh "$1"
  [[ $(id -u) == 0 ]] && chown nobody "$target"
  chmod 640 "$target"
  owner=$(stat -c '%U %G %a' "$target")
  inode=$(stat -c %i "$target")
  expect_exit 0 "$MTPGRAFT" graft --in-place "$target" "$donor"
  expect_nothing_on stderr
  expect_text "$STDOUT" '^in place: '
  expect_text "$STDOUT" "^  mtpgraft verify $target\$"
  if [[ $way == clone ]]; then
    expect_text "$STDOUT" '^7\.4 MiB in [0-9.]+ s: 6\.4 MiB cloned, 1\.0 MiB copied, '
  else
    expect_text "$STDOUT" '^7\.4 MiB in [0-9.]+ s: 6\.4 MiB kept in place, 1\.0 MiB copied, 1\.[01] MiB newly allocated '
    [[ $(stat -c %i "$target") == "$inode" ]] || fail "$target is another file"
  fi
  expect_same "$target" reference.gguf
  expect_only "$1" "$TARGET" "$DONOR"
  [[ $(stat -c '%U %G %a' "$target") == "$owner" ]] || fail "owner or mode were not kept: $(stat -c '%U %G %a' "$target")"
  expect_exit 0 "$MTPGRAFT" verify "$target" --target "$TARGET" --donor "$donor"
  # It has a head now.
  expect_exit 3 "$MTPGRAFT" graft --in-place "$target" "$donor"
  expect_same "$target" reference.gguf
}

numbers_and_checksums_on() {
  local fs=$1 target=$1/$TARGET donor=$1/$DONOR way=$2
  fresh "$fs"
  expect_exit 0 "$MTPGRAFT" graft --in-place --json --checksums "$fs/sums" "$target" "$donor"
  expect_json "x['result']['in_place'] == '$way' and x['result']['output'] == '$target'"
  expect_json "sum(x['result'][k] for k in ('bytes_cloned', 'bytes_kept', 'bytes_copied')) == 7774208"
  expect_json "x['result']['bytes_$([[ $way == clone ]] && echo kept || echo cloned)'] == 0"
  expect_json "1050112 <= x['result']['bytes_allocated'] <= 1200000"
  expect_same "$target" reference.gguf
  expect_same "$fs/sums" reference.sums
  expect_only "$fs" "$TARGET" "$DONOR" sums
}

# A directory may be reached by a symbolic link. That the file itself may not be one is in in_place_links_test.sh.
link_on() {
  local target=$1/$TARGET donor=$1/$DONOR
  fresh "$1"
  ln -sfn "../$1" links/directory
  expect_exit 0 "$MTPGRAFT" graft --in-place -q "links/directory/$TARGET" "$donor"
  expect_nothing_on stdout stderr
  expect_same "$target" reference.gguf
  expect_only "$1" "$TARGET" "$DONOR"
}

# The donor may be in use, unlike the target.
donor_in_use_on() {
  local target=$1/$TARGET donor=$1/$DONOR
  fresh "$1"
  exec 9>>"$donor"
  expect_exit 0 "$MTPGRAFT" graft --in-place -q "$target" "$donor"
  exec 9>&-
  expect_same "$target" reference.gguf
}

in_place_on() {
  dry_run_on "$@"
  graft_on "$@"
  numbers_and_checksums_on "$@"
  link_on "$@"
  donor_in_use_on "$@"
}
on_file_systems in_place_on
