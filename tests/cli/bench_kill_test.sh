#!/usr/bin/env bash
# However mtpgraft ends, its server ends: killed at random moments, with a server that starts slowly, that answers
# slowly, and with one behind a wrapper.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bench.sh"
export FAKE_WRAPPED=slow  # else it may be done before it is killed
use "$TARGET" "$DONOR"
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR"

for ((i = 0; i < 20; i++)); do
  signals=(KILL KILL TERM INT HUP)
  modes=(slow slow-start wrapper)
  signal=${signals[i % 5]}
  FAKE_SERVER=${modes[i % 3]} "$MTPGRAFT" bench "$GRAFT" --depths 1 --predict 8 -- --alias "round-$i-$$" \
    >/dev/null 2>"$STDERR" &
  pid=$!
  sleep "$(printf '0.%03d' $((RANDOM % 1000)))"
  kill -$signal $pid
  last_command="round $i, $signal"
  wait_for $pid
  expect_no_server "round-$i-$$"
done
