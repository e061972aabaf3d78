#!/usr/bin/env bash
# verify tells in which file of a split model which tensor differs; checksums are those of the model in one file.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/split.sh"

# Checksums: of a set they are those of its tensors, wherever they stand, and of the first file's metadata.
"$MTPGRAFT" checksum "$TARGET" | tail -n +2 >one.sums
expect_exit 0 "$MTPGRAFT" checksum "$FOUR"
tail -n +2 "$STDOUT" >set.sums
expect_same one.sums set.sums
expect_exit 0 "$MTPGRAFT" graft -q -f --checksums written.sums "$FOUR" "$DONOR"
expect_exit 0 "$MTPGRAFT" verify --exact "$OUT" -c written.sums --quiet
expect_exit 0 "$MTPGRAFT" verify "$OUT" -c one.sums --quiet
rm four-MTP-* ./*.sums

# verify names shard, tensor and place; what is broken is no excuse.
expect_exit 0 "$MTPGRAFT" graft -q --no-sync --link=copy "$FOUR" "$DONOR"
expect_link own "$(shard four-MTP-Q4_K_M 2 5)" "$(shard four-Q4_K_M 2 4)"
flip_byte "$(shard four-MTP-Q4_K_M 3 5)" 1000000
flip_byte "$(shard four-MTP-Q4_K_M 5 5)" 500000
expect_exit 1 "$MTPGRAFT" verify "$OUT" --target "$FOUR" --donor "$DONOR"
expect_stdout <<'TEXT'
four-MTP-Q4_K_M-00003-of-00005.gguf: the data of tensor 'blk.7.ffn_up.weight' differ: 1 of 110592 bytes (at byte 1000000)
four-MTP-Q4_K_M-00005-of-00005.gguf: the data of tensor 'blk.12.ffn_gate.weight' differ: 1 of 208896 bytes (at byte 500000)
four-MTP-Q4_K_M-00001-of-00005.gguf: FAILED, 7.4 MiB checked
TEXT
expect_exit 1 "$MTPGRAFT" verify --json "$OUT" --target "$FOUR" --donor "$DONOR"
expect_json "[finding['path'][-19:-5] for finding in x['result']['findings']] == ['00003-of-00005', '00005-of-00005']"
expect_exit 1 "$MTPGRAFT" verify "$OUT"
expect_text "$STDOUT" '^four-MTP-Q4_K_M-00005-of-00005.gguf: the head.s data have XXH128 '
flip_byte "$(shard four-MTP-Q4_K_M 4 5)" 0
expect_exit 1 "$MTPGRAFT" verify "$OUT" --target "$FOUR" --donor "$DONOR"
expect_text "$STDOUT" '^four-MTP-Q4_K_M-00004-of-00005.gguf: not a sound GGUF: not a GGUF file'
expect_text "$STDOUT" '^four-MTP-Q4_K_M-00004-of-00005.gguf: the header differs: 1 of .* \(at byte 0\)'
rm four-MTP-*
no_leftovers . "${inputs[@]}"
