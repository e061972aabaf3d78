#!/usr/bin/env bash
# A graft of a split model is a split model again, of the same tensors, and the files that stay are not copied.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/split.sh"

# The default: files that stay are linked.
expect_exit 0 "$MTPGRAFT" graft "$FOUR" "$DONOR"
expect_stdout <<'TEXT'
target  four-Q4_K_M-00001-of-00004.gguf      qwen35  12 trunk blocks, no head
donor   mtp-base-8L-Q8_0.gguf                qwen35  sidecar, a head without trunk: blk.8: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
output  four-MTP-Q4_K_M-00001-of-00005.gguf  qwen35  177 tensors, 7.4 MiB (7775712 bytes), head at blk.12
files
  four-MTP-Q4_K_M-00001-of-00005.gguf  written      1.8 MiB
  four-MTP-Q4_K_M-00002-of-00005.gguf  hard-linked  1.5 MiB
  four-MTP-Q4_K_M-00003-of-00005.gguf  hard-linked  1.5 MiB
  four-MTP-Q4_K_M-00004-of-00005.gguf  hard-linked  1.7 MiB
  four-MTP-Q4_K_M-00005-of-00005.gguf  written      1.0 MiB
keys
  qwen35.block_count           u32     12   ->  13
  qwen35.nextn_predict_layers  u32     new  ->  1
  split.count                  u16     4    ->  5
  split.tensors.count          i32     162  ->  177
  mtpgraft.record              string  new  ->  origin, old values, digest of the head
7.4 MiB in N s: WAYS; to draft with it:
  llama-server -m four-MTP-Q4_K_M-00001-of-00005.gguf --spec-type draft-mtp --spec-draft-n-max 2
to prove it byte for byte:
  mtpgraft verify four-MTP-Q4_K_M-00001-of-00005.gguf --target four-Q4_K_M-00001-of-00004.gguf --donor mtp-base-8L-Q8_0.gguf
TEXT
expect_nothing_on stderr
for i in 2 3 4; do
  expect_link hard "$(shard four-MTP-Q4_K_M $i 5)" "$(shard four-Q4_K_M $i 4)"
done
expect_exit 0 "$MTPGRAFT" verify "$OUT" --target "$FOUR" --donor "$DONOR"
expect_stdout <<TEXT
$OUT: OK, 7.4 MiB checked
TEXT
expect_exit 0 "$MTPGRAFT" verify "$OUT"
expect_text "$STDOUT" "the head's 1050112 bytes fit the record's digest"

# What a set is, and a file of it.
expect_exit 0 "$MTPGRAFT" inspect "$FOUR"
expect_text "$STDOUT" '^  files      4 files, 6\.4 MiB \(6720480 bytes\), GGUF v3, 35 keys, alignment 32, data at 29376$'
expect_text "$STDOUT" '^  MTP        no head$'
expect_exit 0 "$MTPGRAFT" inspect --tensors=blk.12.attn_k.weight "$OUT"
expect_text "$STDOUT" '^    blk\.12\.attn_k\.weight  Q8_0  \[256, 128\]  34816 bytes  at 1024 of file 5$'
expect_exit 0 "$MTPGRAFT" inspect "$(shard four-Q4_K_M 2 4)"
expect_text "$STDOUT" '^  MTP        unknown: this is one file of a split model$'
expect_text "$STDOUT" '^             name the first file, '
rm four-MTP-*

# A dry run tells the files, and makes none.
mkdir place
expect_exit 0 "$MTPGRAFT" graft -n "$FOUR" "$DONOR" -o place/x.gguf
expect_text "$STDOUT" '^dry run: nothing was written; 2\.8 MiB needed, '
expect_text "$STDOUT" '^  place/x-00003-of-00005.gguf  hard-linked  1\.5 MiB$'
no_leftovers place
rmdir place
no_leftovers . "${inputs[@]}"
