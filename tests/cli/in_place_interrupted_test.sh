#!/usr/bin/env bash
# A change in place that is interrupted, finds the disk full, or meets another program, goes back by itself; nobody sees
# the file half changed.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/in_place.sh"
export -f leave_room

interrupted_on() {
  local target=$1/$TARGET donor=$1/$DONOR signal expected
  fresh "$1"
  for signal in INT TERM; do
    expected=$((128 + $(kill -l "$signal")))
    at_journal "kill -$signal \$pid" "$target" "$donor"
    [[ $code == "$expected" ]] || fail "exit code $code, expected $expected, after SIG$signal: $last_command"
    expect_unchanged "$target"
  done
}

full_on() {
  local target=$1/$TARGET donor=$1/$DONOR
  fresh "$1"
  # shellcheck disable=SC2016  # the action expands it
  at_journal 'leave_room "$(dirname "$target")" 16' "$target" "$donor"
  [[ $code == 4 ]] || fail "exit code $code, expected 4: $last_command"
  expect_text "$STDERR" "$TARGET: cannot write: No space left on device\$"
  expect_unchanged "$target"
  rm -f "$1"/filler*
}

# Another program that wants the file while it is changed gets it as it was.
opened_on() {
  local target=$1/$TARGET donor=$1/$DONOR
  fresh "$1"
  rm -f seen
  # shellcheck disable=SC2016  # the action expands it
  at_journal '(sha256sum <"$target" >seen.part && mv seen.part seen) & sleep 0.3' "$target" "$donor"
  [[ $code == 5 ]] || fail "exit code $code, expected 5: $last_command"
  expect_text "$STDERR" 'another program is opening the file while it is changed$'
  expect_unchanged "$target"
  # It may still be reading.
  for _ in {1..200}; do
    [[ ! -e seen ]] || break
    sleep 0.1
  done
  [[ $(cat seen) == "$sha_before" ]] || fail "a reader has seen the file while it was changed"
}

# Another program gives the name to another file, which is then none of ours.
name_taken_on() {
  local target=$1/$TARGET donor=$1/$DONOR
  fresh "$1"
  # shellcheck disable=SC2016  # the action expands it
  at_journal 'echo other >"$target.new" && mv "$target.new" "$target"' "$target" "$donor"
  [[ $code == 5 ]] || fail "exit code $code, expected 5: $last_command"
  expect_text "$STDERR" 'another file has taken its name while it was changed$'
  [[ $(cat "$target") == other ]] || fail "the file that has taken the name was changed"
  [[ ! -e $target.mtpgraft-journal ]] || fail "a journal was left by: $last_command"
}

# What was interrupted can be done again.
again_on() {
  local target=$1/$TARGET donor=$1/$DONOR
  at_journal "kill -TERM \$pid" "$target" "$donor"
  expect_exit 0 "$MTPGRAFT" graft -q --in-place "$target" "$donor"
  expect_same "$target" reference.gguf
}

meets_others_on() {
  interrupted_on "$1"
  full_on "$1"
  opened_on "$1"
  name_taken_on "$1"
  again_on "$1"
}
where_blocks_are_inserted meets_others_on
