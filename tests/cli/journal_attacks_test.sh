#!/usr/bin/env bash
# The journal of a change in place is the file that was written, whatever others plant at its name before the change or
# put there while it goes on; and it is not easier to read than the file whose bytes it holds.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/in_place.sh"
echo precious >precious

expect_precious() {
  [[ $(cat precious) == precious ]] || fail "the link was followed by: $last_command"
}

# planted PATTERN: what has the journal's name stops every command, is not followed, and stays.
planted() {
  local before command
  before=$(stat -c '%F %i' "$journal")
  for command in "graft --in-place $target $donor" "inspect $target" "strip --in-place $target"; do
    # shellcheck disable=SC2086
    expect_exit 5 timeout 20 "$MTPGRAFT" $command
    expect_text "$STDERR" "hint: if none is running: mtpgraft recover $target\$"
  done
  expect_exit "${2:-5}" timeout 20 "$MTPGRAFT" recover "$target"
  expect_text "$STDERR" "mtpgraft-journal: $1\$"
  [[ $(stat -c '%F %i' "$journal") == "$before" ]] || fail "what was planted has changed after: $last_command"
  [[ $(sha256sum <"$target") == "$sha_before" ]] || fail "the target has changed after: $last_command"
  expect_precious
  rm -rf "$journal"
}

planted_on() {
  fresh "$1"
  ln -s "$WORK/precious" "$journal"
  planted 'cannot open: Too many levels of symbolic links' 4
  ln -s nowhere "$journal"
  planted 'cannot open: Too many levels of symbolic links' 4
  [[ ! -e $1/nowhere ]] || fail "a file was made where the link leads"
  mkfifo "$journal"
  planted 'the journal is not a regular file'
  mkdir "$journal"
  planted 'the journal is not a regular file'
  # A true journal, by a link and of another user.
  leave_journal "$target" "$donor"
  mv "$journal" elsewhere
  ln -s "$WORK/elsewhere" "$journal"
  planted 'cannot open: Too many levels of symbolic links' 4
  mv elsewhere "$journal"
  if [[ $(id -u) == 0 ]]; then
    chown 65534 "$journal"
    planted 'the journal belongs to another user than the file'
  fi
  rm -f "$journal"
}

# Only who may read the target can read the bytes of it in the journal.
mode_on() {
  local mode
  for mode in 600 640 664; do
    fresh "$1"
    chmod $mode "$target"
    [[ $(id -u) != 0 ]] || chown 65534:65534 "$target"
    # shellcheck disable=SC2016  # the action expands it
    (umask 0 && python3 "$TEST_DIR/at_journal.py" 'stat -c "%a %u %g" "$target" "$target.mtpgraft-journal" >modes' \
      "$target" "$MTPGRAFT" graft --in-place -q "$target" "$donor") || fail "exit code $?"
    [[ $(sort -u modes | wc -l) == 1 ]] || fail "target and journal: $(paste -sd, modes)"
    expect_same "$target" reference.gguf
  done
}

# Another file gets the journal's name while the target is changed. It is neither written nor deleted.
replaced_on() {
  fresh "$1"
  echo other >"$1/other"
  # shellcheck disable=SC2016
  at_journal 'mv "$(dirname "$target")/other" "$target.mtpgraft-journal"' "$target" "$donor"
  [[ $code == 5 ]] || fail "exit code $code, expected 5: $last_command"
  expect_text "$STDERR" "mtpgraft-journal: another file has taken the journal's name\$"
  [[ $(cat "$journal") == other ]] || fail "the other file was changed"
  expect_same "$target" reference.gguf
  rm "$journal"
  # shellcheck disable=SC2016
  at_journal 'ln -sf "$PWD/precious" "$target.mtpgraft-journal"' "$target" "$donor"
  [[ $code == 5 && -L $journal ]] || fail "exit code $code, expected 5: $last_command"
  expect_precious
  expect_same "$target" reference.gguf
  rm "$journal"
}

attacks_on() {
  local target=$1/$TARGET donor=$1/$DONOR journal=$1/$TARGET.mtpgraft-journal
  planted_on "$1"
  mode_on "$1"
  replaced_on "$1"
}
where_blocks_are_inserted attacks_on
