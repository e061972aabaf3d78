#!/usr/bin/env bash
# strip gives back the split model that was grafted, byte for byte.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/split.sh"

expect_exit 0 "$MTPGRAFT" graft -q "$FOUR" "$DONOR" -o x.gguf
expect_exit 0 "$MTPGRAFT" strip x-00001-of-00005.gguf -o restored.gguf
expect_text "$STDOUT" '^header and size are those of "four-Q4_K_M-00001-of-00004\.gguf" again; the tensor data are those of '
for i in 1 2 3 4; do
  expect_same "$(shard restored $i 4)" "$(shard four-Q4_K_M $i 4)"
done
expect_link hard "$(shard restored 2 4)" "$(shard four-Q4_K_M 2 4)"
expect_exit 0 "$MTPGRAFT" graft -q --split-head "$TARGET" "$DONOR" -o y.gguf
expect_exit 0 "$MTPGRAFT" strip -q y-00001-of-00002.gguf -o whole.gguf
expect_same whole.gguf "$TARGET"
expect_exit 0 "$MTPGRAFT" graft -q bare-00001-of-00003.gguf "$DONOR" -o z.gguf
expect_exit 0 "$MTPGRAFT" strip -q z-00001-of-00004.gguf -o again.gguf
for i in 1 2 3; do
  expect_same "$(shard again $i 3)" "$(shard bare $i 3)"
done
# Without a record, what --no-mtp makes.
expect_exit 0 "$MTPGRAFT" strip -q with-head-00001-of-00003.gguf -o clean.gguf
expect_exit 0 "$MTPGRAFT" inspect clean-00001-of-00002.gguf
expect_text "$STDOUT" '^  MTP        no head$'
expect_exit 3 "$MTPGRAFT" strip with-mixed-head-00001-of-00003.gguf -o no.gguf
rm x-* y-* z-* restored-* again-* clean-* whole.gguf
no_leftovers . "${inputs[@]}"
