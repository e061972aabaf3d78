#!/usr/bin/env bash
# bench with servers that fail: exit code 4 with the last lines of their log, and nothing is left running. A head that
# drafts noise, and goals that are missed: exit code 1.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bench.sh"
use "$TARGET" "$DONOR"
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR"
inputs=("$TARGET" "$DONOR" "$GRAFT")
short=("$MTPGRAFT" bench "$GRAFT" --predict 8 --depths 1)

expect_fake 4 dies "${short[@]}" --card card.md
expect_text "$STDERR" 'fake_llama_server\.py: the server ended with exit code 1'
expect_text "$STDERR" 'error: the last word'

# What was measured until then is there: the first start is whole.
expect_fake 4 dies-later "${short[@]}" --json --card card.md
[[ $(json 'x["error"]["code"], "exit code 9" in x["error"]["message"], x["error"]["details"][-1], x["result"]["models"][0]["complete"]') == "('io', True, 'out of memory: the last word', False)" ]] ||
  fail "another answer: $(cat "$STDOUT")"

expect_fake 4 hangs "${short[@]}" --answer-timeout 1
expect_fake 4 never-ready "${short[@]}" --start-timeout 1
expect_text "$STDERR" 'was not ready within 1 seconds?'
expect_fake 4 drafts "${short[@]}"
expect_text "$STDERR" 'drafts although it was started without drafting'
expect_fake 4 garbage "${short[@]}"
expect_text "$STDERR" 'is not JSON'
MTPGRAFT_LLAMA_SERVER=$PWD/nothing expect_exit 4 "${short[@]}"
MTPGRAFT_LLAMA_SERVER=$PWD/$TARGET expect_exit 4 "${short[@]}"
MTPGRAFT_LLAMA_SERVER='' PATH=bin:. expect_exit 4 "${short[@]}"
expect_text "$STDERR" 'found no llama-server on PATH'
expect_text "$STDERR" '--server'

# Its port was free a moment ago: another one is tried, twice.
FAKE_STATE=$SCRATCH/state expect_fake 0 port-taken "${short[@]}"
rm -f "$SCRATCH/state" "$FAKE_LOG"
FAKE_STATE=$SCRATCH/state FAKE_TAKEN=9 expect_fake 4 port-taken "${short[@]}"
[[ $(wc -l <"$FAKE_LOG") == 3 ]] || fail "it was not tried three times"
expect_text "$STDERR" 'its port was taken by another program, 3 times'
rm -f "$SCRATCH/state" "$FAKE_LOG"
FAKE_STATE=$SCRATCH/state expect_fake 0 port-shared "${short[@]}"
[[ $(wc -l <"$FAKE_LOG") == 4 ]] || fail "another server was measured"

# Servers that are slow, or tell less.
expect_fake 0 slow-start "${short[@]}"
expect_fake 0 no-metrics "${short[@]}"
expect_text "$STDOUT" '^\*  1      1\.000       -            2\.00'
expect_fake 0 wrapper "${short[@]}"
expect_fake 0 short "${short[@]}"
expect_text "$STDOUT" '^  1      1\.000       1\.000        [0-9.]+         -         -$'

# A wrong or dead head, and goals.
expect_fake 1 dead "${short[@]}"
! grep -q '^\*' "$STDOUT" || fail "a dead head is recommended"
expect_text "$STDERR" "$GRAFT: acceptance 0\.000 at depth 1: the head is a wrong or a dead one"
expect_exit 1 "${short[@]}" --min-speedup 1.5
expect_text "$STDERR" 'speed-up 1\.30, and 1\.50 are asked for'
expect_exit 0 "${short[@]}" --min-speedup 1.2 --min-acceptance 0.9 --require-same-text
expect_exit 1 "$MTPGRAFT" bench "$GRAFT" --predict 8 --depths 1,2 --min-acceptance 0.9
expect_fake 1 other-text "$MTPGRAFT" bench "$GRAFT" --predict 8 --depths 1,2 --require-same-text
expect_text "$STDOUT" '^  C\+\+, depth 2: from byte [0-9]+ on; .* are 0\.250 apart'
expect_text "$STDERR" '9 of the texts at depth 2 are not those without drafting'
expect_fake 0 other-text "$MTPGRAFT" bench "$GRAFT" --predict 8 --depths 1,2

# Whoever starts it may have SIGCHLD ignored, or a TMPDIR that is not there.
FAKE_SERVER=dies expect_exit 4 timeout 20 python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "${short[@]}"
TMPDIR=/nonexistent expect_exit 4 "${short[@]}"
expect_text "$STDERR" '/nonexistent/mtpgraft-'

# An answer that nobody can read.
for way in '>/dev/full' '>&-'; do
  code=0
  eval "\"\${short[@]}\" $way" 2>"$STDERR" || code=$?
  [[ $code == 4 ]] || fail "exit code $code with $way"
done
("${short[@]}" || true) | true

# An interrupt: what was measured is printed. A server that ignores SIGTERM is killed.
FAKE_SERVER=ignores-term "$MTPGRAFT" bench "$GRAFT" --depths 1 --card card.md >"$STDOUT" 2>"$STDERR" &
pid=$!
until [[ $(pgrep -f -c "fake_llama_server.py.*$GRAFT") -gt 0 ]]; do sleep 0.05; done
sleep 1
kill -INT $pid
wait_for $pid
[[ $codes == "130 " || $codes == "130" ]] || fail "exit code $codes of an interrupt"

no_leftovers . "${inputs[@]}"
expect_no_server "fake_llama_server.py.*$GRAFT"
