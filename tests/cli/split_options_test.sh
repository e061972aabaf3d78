#!/usr/bin/env bash
# Names and options that a split model cannot have are refused, and nothing is written.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/split.sh"

expect_exit 2 "$MTPGRAFT" graft "$FOUR" "$DONOR" -o x-00001-of-00004.gguf
expect_stderr <<'TEXT'
mtpgraft: 'x-00001-of-00004.gguf' is not the name of the first of 5 files, which the graft has
  hint: give the output a name with -o
TEXT
expect_exit 2 "$MTPGRAFT" graft --merge --split-head "$FOUR" "$DONOR"
expect_exit 2 "$MTPGRAFT" graft --link=soft "$FOUR" "$DONOR"
expect_exit 5 "$MTPGRAFT" graft --in-place "$(shard four-Q4_K_M 1 4)" "$DONOR"
expect_stderr <<'TEXT'
mtpgraft: four-Q4_K_M-00001-of-00004.gguf: a split model is not changed in place
  hint: leave out --in-place: the files that stay as they are get a second name, and are not copied
TEXT
no_leftovers . "${inputs[@]}"

# The name of the first file is as good as the one that all have in common.
expect_exit 0 "$MTPGRAFT" graft -q "$FOUR" "$DONOR" -o x-00001-of-00005.gguf
no_leftovers . "${inputs[@]}" "$(shard x 1 5)" "$(shard x 2 5)" "$(shard x 3 5)" "$(shard x 4 5)" "$(shard x 5 5)"
