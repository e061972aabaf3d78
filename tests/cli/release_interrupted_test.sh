#!/usr/bin/env bash
# A release that is ended, or meets a target that changes, keeps what is whole, and the next run makes the rest.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/release.sh"
[[ -d /proc/self/fd ]] || skip_all "no /proc to see what is written"

# Interrupted and killed while the second of three is written: the first stays, and the rest is made by the next run.
make_release killed
rm killed/quants/Tiny-Q5_K_M.gguf
python3 - "$SOURCE_DIR/tests/support" "$SCRATCH/target-Q5_K_M.gguf" killed/quants/Tiny-Q5_K_M.gguf <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file
model = gguf_file.GgufFile.read(sys.argv[2])
model.tensors.append(gguf_file.Tensor("blk.0.bulk.weight", (100_000_000,), 24, b"\x55" * 100_000_000))
model.write(sys.argv[3])
PYTHON

for signal in INT KILL; do
  "$MTPGRAFT" release --no-sync killed/PLAN.json >"$STDOUT" 2>"$STDERR" &
  pid=$!
  last_command="release, $signal"
  while [[ ! -e killed/out/Tiny-MTP-Q6_K.gguf ]] && kill -0 $pid; do
    sleep 0.01
  done
  if stop_while_writing $pid killed/out; then
    kill -"$signal" $pid
    kill -CONT $pid
  fi
  code=0
  wait $pid || code=$?
  [[ $code == $((128 + $(kill -l "$signal"))) ]] || fail "exit code $code: $last_command: $(cat "$STDERR")"
  [[ $signal != KILL ]] || ! is_plain_posix || rm killed/out/.mtpgraft-*
  no_leftovers killed/out Tiny-MTP-Q6_K.gguf
done

# A target that changes after it was checked is not taken.
"$MTPGRAFT" release --no-sync killed/PLAN.json >"$STDOUT" 2>"$STDERR" &
pid=$!
last_command="release, with a target that changes"
if stop_while_writing $pid killed/out; then
  touch killed/quants/Tiny-Q4_K_M.gguf
  kill -CONT $pid
fi
code=0
wait $pid || code=$?
[[ $code == 4 ]] || fail "exit code $code: $last_command"
expect_text "$STDERR" '^mtpgraft: killed/quants/Tiny-Q4_K_M.gguf: target or donor .* is another file than when it was checked \(/grafts/2\)$'
expect_text "$STDERR" '^mtpgraft: 1 problem; the lists were not written; run it again to go on$'
no_leftovers killed/out Tiny-MTP-Q6_K.gguf Tiny-MTP-Q5_K_M.gguf
rm killed/out/Tiny-MTP-Q5_K_M.gguf

# The next run.
stamps killed/out >before
expect_exit 0 "$MTPGRAFT" release --no-sync killed/PLAN.json
expect_text "$STDERR" '^killed/out/Tiny-MTP-Q6_K.gguf: skipped'
expect_text "$STDERR" '^killed/out/Tiny-MTP-Q5_K_M.gguf: written, 102\.[0-9] MiB'
stat -c '%n %i %y' killed/out/Tiny-MTP-Q6_K.gguf | diff before - >&2 || fail "what was complete was written again"
check_release killed/out
