#!/usr/bin/env bash
# What was fetched is kept and used again as long as it is what the server has; without a cache nothing is kept.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/remote.sh"
use_hub

# Of a checkpoint nothing is asked for but what has the head.
graft "hf://lab/$BASE"
if requests | grep -E 'model-0000[14]|README|tokenizer'; then
  fail "files without head were asked for: $last_command"
fi
# Next time it is one question, and none if the donor is named by its commit.
forget_requests
graft "hf://lab/$BASE"
expect_requests "hub 304 0 /api/models/lab/$BASE/revision/main?blobs=true"
main=$HUB/www/api/models/lab/$BASE/revision/main
commit=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["sha"])' <"$main")
graft "hf://lab/$BASE@$commit"
forget_requests
graft "hf://lab/$BASE@$commit"
expect_requests ''
expect_graft_of out.gguf

# A damaged cache is as good as none.
graft "hf://lab/$BASE"
for part in "$CACHE"/*/*-*-*; do
  flip_byte "$part" 64
done
graft "hf://lab/$BASE"
expect_graft_of out.gguf

# After a push to the repository it is the new head.
cp "$main" "$SCRATCH/first"
publish() {
  cp "$1" "$main"
  touch -d "$2" "$main"
}
publish "$HUB/next-main" '1 hour'
graft "hf://lab/$BASE"
expect_graft_of out.gguf "$LOCAL/next/$BASE"
publish "$SCRATCH/first" '2 hours'
graft "hf://lab/$BASE"
expect_graft_of out.gguf

# Without the cache nothing is kept, and all is fetched again.
forget_cache
for _ in 1 2; do
  forget_requests
  graft "hf://lab/$BASE" --no-cache
  (($(sent) > 1968896)) || fail "$(sent) bytes were sent: $last_command"
done
[[ ! -e $CACHE ]] || fail "files in the cache: $last_command: $(ls "$CACHE")"
rm out.gguf

# A cache without room, and one that cannot be written to.
inputs+=(full)
if add_mount full "a tmpfs" -t tmpfs -o size=200k tmpfs; then
  XDG_CACHE_HOME=$WORK/full CACHE=$WORK/full/mtpgraft
  expect_error 4 "$CACHE/.*: cannot .*: No space left on device" "the cache is '$CACHE'; --no-cache does without it, .*" \
    "hf://lab/$BASE"
  expect_sound_cache "$LOCAL/$BASE"
  mount -o remount,size=8m full
  graft "hf://lab/$BASE"
  expect_graft_of out.gguf
  mount -o remount,ro full
  graft "hf://lab/$BASE" # from what is there
  expect_graft_of out.gguf
  rm out.gguf
  expect_error 4 "$CACHE.*: cannot .*: Read-only file system" "the cache is '$CACHE'; --no-cache does without it, .*" \
    hf://lab/Base-GGUF:mtp-Base-Q8_0.gguf
fi
