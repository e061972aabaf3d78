#!/usr/bin/env bash
# A fetch that is stopped, or told to wait, leaves no output, and what had come is not fetched again.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/remote.sh"
use_hub

# A hub that is asked too often.
graft "hf://busy/$BASE"
requests | grep -q ' 429 ' || fail "the hub was not busy: $(requests)"
expect_graft_of out.gguf
rm out.gguf

# Stopped when one half of the head is there, then again in the other: no output, and what came is used.
has_half() { compgen -G "$CACHE/*/*-1442304" || compgen -G "$CACHE/*/*-458880"; }
is_fetching() { requests | grep '^hub 302'; }

# stop_when CONDITION SIGNAL EXIT: sends a graft the signal once the condition is true.
stop_when() {
  forget_requests
  last_command="a graft that gets SIG$2"
  "$MTPGRAFT" graft -q --no-sync "$TARGET" "hf://slow/$BASE" -o out.gguf 2>"$STDERR" &
  local job=$!
  until "$1" >/dev/null || ! kill -0 "$job" 2>/dev/null; do
    sleep 0.01
  done
  kill -s "$2" "$job" || fail "it was over before it could be stopped: $(requests)"
  code=0
  wait "$job" 2>/dev/null || code=$?
  [[ $code == "$3" ]] || fail "exit code $code: $last_command: $(cat "$STDERR")"
  no_leftovers . "${inputs[@]}"
  expect_sound_cache "$LOCAL/$BASE"
}
forget_cache
stop_when has_half KILL 137
half=$(has_half)
stop_when is_fetching INT 130
forget_requests
graft "hf://slow/$BASE"
expect_graft_of out.gguf
! requests | grep "^cdn 206 ${half##*-} " || fail "what had come was fetched again: $last_command"
rm out.gguf
