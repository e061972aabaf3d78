#!/usr/bin/env bash
# A head in a file of its own is replaced, and the files of the trunk are not written again.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/split.sh"

# --split-head: trunk and head in two files; --replace exchanges the latter and links the former's shards.
expect_exit 0 "$MTPGRAFT" graft -q --split-head "$TARGET" "$DONOR"
SPLIT=target-12L-MTP-Q4_K_M-00001-of-00002.gguf
expect_exit 0 "$MTPGRAFT" verify -q "$SPLIT" --target "$TARGET" --donor "$DONOR"
expect_exit 0 "$MTPGRAFT" inspect --json "$SPLIT"
expect_json "[file['tensor_count'] for file in x['result']['files'][0]['files']] == [162, 15]"
expect_exit 0 "$MTPGRAFT" graft -q --replace "$SPLIT" donor-00001-of-00002.gguf -o again.gguf
expect_exit 0 "$MTPGRAFT" verify -q again-00001-of-00002.gguf --target "$SPLIT" --donor donor-00001-of-00002.gguf
expect_exit 0 "$MTPGRAFT" graft -q --split-head "$TARGET" donor-00001-of-00002.gguf -o fresh.gguf
for i in 1 2; do
  expect_same "$(shard again $i 2)" "$(shard fresh $i 2)"
done
rm target-12L-MTP-* again-* fresh-*

# A head in the place of another, and the graft that this amounts to, are the same.
expect_exit 0 "$MTPGRAFT" graft -q "$FOUR" "$DONOR" -o first.gguf
expect_exit 0 "$MTPGRAFT" graft -q --replace first-00001-of-00005.gguf donor-00001-of-00002.gguf -o again.gguf
expect_exit 0 "$MTPGRAFT" graft -q "$FOUR" donor-00001-of-00002.gguf -o fresh.gguf
for i in 1 2 3 4 5; do
  expect_same "$(shard again $i 5)" "$(shard fresh $i 5)"
done
rm first-* again-* fresh-*

# --replace: the shard that is nothing but a head gives way; one with trunk tensors does not.
expect_exit 5 "$MTPGRAFT" graft --replace with-head-00001-of-00003.gguf "$DONOR" -o with-head-00001-of-00003.gguf
expect_text "$STDERR" "the output is the input 'with-head-00001-of-00003.gguf'"
expect_exit 0 "$MTPGRAFT" graft -q --replace with-head-00001-of-00003.gguf "$DONOR" -o new.gguf
expect_link hard new-00002-of-00003.gguf with-head-00002-of-00003.gguf
expect_exit 0 "$MTPGRAFT" verify -q new-00001-of-00003.gguf --target with-head-00001-of-00003.gguf --donor "$DONOR"
expect_exit 3 "$MTPGRAFT" graft --replace with-mixed-head-00001-of-00003.gguf "$DONOR" -o x.gguf
expect_stderr <<'TEXT'
mtpgraft: with-mixed-head-00002-of-00003.gguf: the target's old head has 8 tensors in shard 2 of 3, and that is not its own file: the trunk has tensors there too
  hint: use --merge, which writes one file
TEXT
expect_exit 0 "$MTPGRAFT" graft -q --replace --merge with-mixed-head-00001-of-00003.gguf "$DONOR" -o x.gguf
expect_exit 0 "$MTPGRAFT" verify -q x.gguf --target with-mixed-head-00001-of-00003.gguf --donor "$DONOR"
rm new-* x.gguf
no_leftovers . "${inputs[@]}"
