#!/usr/bin/env bash
# A split model, or the one file of it that has the head, is a donor like any other, for graft and extract.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/split.sh"

# Donors: whole, or the one shard that has the head.
expect_exit 0 "$MTPGRAFT" graft -q --no-record "$TARGET" "$DONOR" -o reference.gguf
mkdir lone
cp donor-00002-of-00002.gguf lone/any-name.gguf
for donor in donor-00001-of-00002.gguf donor-00002-of-00002.gguf lone/any-name.gguf; do
  expect_exit 0 "$MTPGRAFT" graft -q -f --no-record "$TARGET" "$donor" -o x.gguf
  expect_same x.gguf reference.gguf
  expect_exit 0 "$MTPGRAFT" verify -q x.gguf --target "$TARGET" --donor "$donor"
done
expect_exit 0 "$MTPGRAFT" inspect lone/any-name.gguf
expect_text "$STDOUT" "it holds the head, and can be a graft's donor"
# The first shard alone, if the head is in it: beside trunk tensors that do not count.
edit donor-00001-of-00002.gguf 'f.tensors += GgufFile.read("donor-00002-of-00002.gguf").tensors'
mv donor-00001-of-00002.gguf lone/first.gguf
expect_exit 0 "$MTPGRAFT" graft -q -f --no-record "$TARGET" lone/first.gguf -o x.gguf
expect_same x.gguf reference.gguf
cp split/donor-00001-of-00002.gguf lone
expect_exit 4 "$MTPGRAFT" graft "$TARGET" lone/donor-00001-of-00002.gguf -o y.gguf
expect_stderr <<'TEXT'
mtpgraft: lone/donor-00002-of-00002.gguf: shard 2 of 2: cannot open: No such file or directory
  hint: the files of a split model stand in one directory, named as they were made
TEXT
edit lone/any-name.gguf 'f.tensors.pop()'
expect_exit 3 "$MTPGRAFT" graft "$TARGET" lone/any-name.gguf -o y.gguf
rm -r lone x.gguf reference.gguf
cp split/donor-00001-of-00002.gguf .

# extract, and heads in another type, from and for split models.
expect_exit 0 "$MTPGRAFT" extract -q with-head-00001-of-00003.gguf -o of-set.gguf
expect_exit 0 "$MTPGRAFT" extract -q --for "$FOUR" "$DONOR" -o for-set.gguf
expect_exit 0 "$MTPGRAFT" extract -q --for "$TARGET" "$DONOR" -o for-one.gguf
expect_same for-set.gguf for-one.gguf
expect_exit 0 "$MTPGRAFT" inspect of-set.gguf
expect_text "$STDOUT" '^  MTP        sidecar, a head without trunk: blk\.12: 15 tensors'
python3 - <<'PYTHON'
from pathlib import Path
from gguf_file import GgufFile
from make_fixtures import shards_of, write_shards
import os
model = GgufFile.read(os.path.join(os.environ["MODELS_DIR"], "mtp-base-8L-BF16.gguf"))
write_shards(Path("."), "bf16", shards_of(model, [0, 5, len(model.tensors) - 5]))
PYTHON
expect_exit 0 "$MTPGRAFT" graft -q --no-record --head-type q8_0 "$TARGET" bf16-00001-of-00003.gguf -o of-set.gguf -f
expect_exit 0 "$MTPGRAFT" graft -q --no-record --head-type q8_0 "$TARGET" "$MODELS_DIR/mtp-base-8L-BF16.gguf" -o of-one.gguf
expect_same of-set.gguf of-one.gguf
rm bf16-* of-* for-*
no_leftovers . "${inputs[@]}"
