#!/usr/bin/env bash
# Whatever the loss of power leaves of a change in place, recover makes the old file of it or the whole graft.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/in_place.sh"
size_of_graft=$(stat -c %s reference.gguf)

nothing_to_recover_on() {
  local target=$1/$TARGET
  fresh "$1"
  expect_exit 0 "$MTPGRAFT" recover "$target"
  expect_stdout <<TEXT
$target: nothing to recover
TEXT
  expect_exit 0 "$MTPGRAFT" recover --json "$target"
  expect_json "x['result']['outcome'] == 'nothing_to_do'"
  expect_unchanged "$target"
}

# journal_at STEP: the journal that ./journal is a copy of, at this step.
journal_at() {
  cp journal "$target.mtpgraft-journal"
  printf %s "$1" | dd of="$target.mtpgraft-journal" bs=1 seek=25 conv=notrunc status=none
}

# expect_recovery STATE STEP OUTCOME: from the file as it is and a journal at this step.
expect_recovery() {
  journal_at "$2"
  expect_text "$target.mtpgraft-journal" "^mtpgraft journal 1, step $2\$"
  expect_exit 5 "$MTPGRAFT" inspect "$target"
  expect_exit 0 "$MTPGRAFT" recover --json "$target"
  expect_json "x['result']['outcome'] == '$3'"
  last_command="recover, $1, $2"
  if [[ $3 == completed ]]; then
    expect_same "$target" reference.gguf
  else
    expect_same "$target" "$TARGET"
  fi
  [[ ! -e $target.mtpgraft-journal ]] || fail "the journal is still there after: $last_command"
  (($(stat -c %b "$target") * 512 <= $(stat -c %s "$target") + 65536)) || fail "blocks behind the end after: $last_command"
}

# What the program leaves in the end comes from itself; what is between is made here, with fallocate(1).
states_on() {
  local target=$1/$TARGET at
  leave_journal "$target" "$1/$DONOR"
  old
  expect_recovery 'nothing appended' 1 rolled_back
  appended && truncate -s -500000 "$target"
  expect_recovery 'half appended' 1 rolled_back
  appended
  expect_recovery 'all appended' 1 rolled_back
  appended
  expect_recovery 'not inserted yet' 2 rolled_back
  # As file systems do it: they make the file longer, then shift its extents from the last to the first.
  appended && sync "$target" && truncate -s +4096 "$target"
  expect_recovery 'only longer' 2 rolled_back
  for at in $((size_of_graft / 4096 * 4096 - 8192)) 6717440 4096000 4096 0; do
    inserted "$at"
    expect_recovery "a gap at $at" 2 rolled_back
  done
  inserted 0
  expect_recovery 'no header yet' 3 rolled_back
  for at in 1 4096 20000 38000; do
    inserted 0 && new_header "$at"
    expect_recovery "$at bytes of the header" 3 rolled_back
  done
  inserted 0 && new_header 40512
  expect_recovery 'the whole header' 3 completed
  # A recovery that was itself interrupted.
  inserted 0 && new_header 20000 && head -c 36416 "$TARGET" | dd of="$target" bs=4096 seek=1 conv=notrunc status=none
  expect_recovery 'the old header is back' 3 rolled_back
  inserted 0 && fallocate -p -o 0 -l 4096 "$target"
  expect_recovery 'the gap is back' 3 rolled_back
}

# A recovery that was interrupted just before its end: in a directory that only grows it cannot delete the journal.
last_step_on() {
  local fs=$1 target=$1/$TARGET step
  if [[ $(id -u) != 0 ]] || ! chattr +a "$fs" 2>/dev/null || ! chattr -a "$fs"; then
    return 0
  fi
  for step in 1 2 3; do
    if ((step == 3)); then inserted 0 && new_header 20000; else appended; fi
    journal_at "$step"
    chattr +a "$fs"
    expect_exit 4 "$MTPGRAFT" recover "$target"
    expect_text "$STDERR" 'mtpgraft-journal: cannot delete: Operation not permitted$'
    chattr -a "$fs"
    expect_same "$target" "$TARGET"
    expect_exit 0 "$MTPGRAFT" recover "$target"
    expect_stdout <<TEXT
$target: rolled back: it is what it was before the graft
TEXT
    expect_unchanged "$target"
    rm -f "$target.mtpgraft-journal"
  done
}

recover_on() {
  nothing_to_recover_on "$1"
  states_on "$1"
  last_step_on "$1"
}
where_blocks_are_inserted recover_on
