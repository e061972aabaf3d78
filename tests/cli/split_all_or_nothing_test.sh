#!/usr/bin/env bash
# All files of a grafted split model appear, or none, whatever is in the way, fails or ends it.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/split.sh"

# A file that cannot be staged, or is in the way when names are given: nothing appears, what stood there stays.
mkdir place
cp "$DONOR" "place/$(shard x 4 5)"
expect_exit 5 "$MTPGRAFT" graft "$FOUR" "$DONOR" -o place/x.gguf
expect_stderr <<'TEXT'
mtpgraft: place/x-00004-of-00005.gguf: the output exists
  hint: use --force to replace it, or -o for another name
TEXT
no_leftovers place "$(shard x 4 5)"
expect_same "$DONOR" "place/$(shard x 4 5)"
expect_exit 0 "$MTPGRAFT" graft -q --force "$FOUR" "$DONOR" -o place/x.gguf
# A second time, over links to the same shards.
expect_exit 0 "$MTPGRAFT" graft -q --force "$FOUR" "$DONOR" -o place/x.gguf
no_leftovers place "$(shard x 1 5)" "$(shard x 2 5)" "$(shard x 3 5)" "$(shard x 4 5)" "$(shard x 5 5)"
expect_exit 0 "$MTPGRAFT" verify -q "place/$(shard x 1 5)" --target "$FOUR" --donor "$DONOR"
rm place/*
limited_graft() (
  ulimit -f 1100
  exec "$MTPGRAFT" graft --no-sync "$FOUR" "$DONOR" -o place/x.gguf
)
expect_exit 4 limited_graft
no_leftovers place
rmdir place

# Ended while it is staged, and a name that is taken meanwhile.
if [[ -d /proc/self/fd ]]; then
  mkdir slow
  make_big_model whole.gguf
  python3 - <<'PYTHON'
from gguf_file import GgufFile
from make_fixtures import shards_of, write_shards
from pathlib import Path
model = GgufFile.read("whole.gguf")
model.tensors.insert(0, model.tensors.pop())
write_shards(Path("slow"), "s", shards_of(model, [1, 82, 80]))
PYTHON
  rm whole.gguf
  mapfile -t slow < <(ls slow)
  for signal in TERM KILL; do
    last_command="graft of a split model that gets SIG$signal"
    "$MTPGRAFT" graft "slow/$(shard s 1 3)" "$DONOR" -o slow/x.gguf >"$STDOUT" 2>"$STDERR" &
    pid=$!
    if stop_while_writing "$pid" slow; then
      kill "-$signal" "$pid"
      kill -CONT "$pid"
      wait "$pid" 2>/dev/null || true
      [[ $signal != KILL ]] || ! is_plain_posix || rm slow/.mtpgraft-*
      no_leftovers slow "${slow[@]}"
    fi
  done
  last_command="graft of a split model, one of whose names is taken meanwhile"
  "$MTPGRAFT" graft --no-sync "slow/$(shard s 1 3)" "$DONOR" -o slow/x.gguf >"$STDOUT" 2>"$STDERR" &
  pid=$!
  if stop_while_writing "$pid" slow; then
    cp "$DONOR" "slow/$(shard x 3 4)"
    kill -CONT "$pid"
    code=0
    wait "$pid" 2>/dev/null || code=$?
    [[ $code == 5 ]] || fail "exit code $code, expected 5: $last_command"
    no_leftovers slow "${slow[@]}" "$(shard x 3 4)"
  fi
  rm -r slow
fi
no_leftovers . "${inputs[@]}"
