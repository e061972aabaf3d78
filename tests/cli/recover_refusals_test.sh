#!/usr/bin/env bash
# recover touches neither file nor journal where the journal is damaged or belongs to another file.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/in_place.sh"

# expect_kept CODE PATTERN: with the file and the journal as they are.
expect_kept() {
  local before
  before=$(sha256sum "$target" "$journal")
  expect_exit "$1" "$MTPGRAFT" recover "$target"
  expect_nothing_on stdout
  expect_text "$STDERR" "$2"
  [[ $(sha256sum "$target" "$journal") == "$before" ]] || fail "something has changed after: $last_command"
}

# The bytes one by one are in journal_linux_test.cc and in_place_linux_test.cc.
damaged_journal() {
  appended
  head -c 5000 journal >"$journal"
  expect_kept 3 'journal: the journal of an in-place change is damaged$'
  cp journal "$journal"
  flip_byte "$journal" 60
  expect_kept 3 'journal: the journal of an in-place change is damaged$'
  (cat journal && echo) >"$journal"
  expect_kept 3 'journal: the journal of an in-place change is damaged$'
}

other_file() {
  cp journal "$journal"
  old
  flip_byte "$target" 100
  expect_kept 3 'the file is in no state that an interrupted in-place change leaves$'
  old
  truncate -s 6000000 "$target"
  expect_kept 3 'the file is in no state that an interrupted in-place change leaves$'
  appended
  echo >>"$target"
  expect_kept 3 'the file is in no state that an interrupted in-place change leaves$'
  cp -L --reflink=never "$TARGET" "$target.new"
  mv "$target.new" "$target"
  expect_kept 5 'its journal belongs to another file of this name$'
  expect_text "$STDERR" "^  hint: if this one is whole, delete $PWD/$journal\$"
}

refusals_on() {
  local target=$1/$TARGET journal=$1/$TARGET.mtpgraft-journal
  fresh "$1"
  leave_journal "$target" "$1/$DONOR"
  damaged_journal
  appended
  cp journal "$journal"
  exec 9<"$target"
  expect_kept 5 'another program has the file open$'
  exec 9<&-
  other_file
}
where_blocks_are_inserted refusals_on

expect_exit 2 "$MTPGRAFT" recover
expect_exit 2 "$MTPGRAFT" recover "$TARGET" "$DONOR"
