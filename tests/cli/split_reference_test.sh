#!/usr/bin/env bash
# The files of a graft of a split model are, byte for byte, what another program makes; --merge makes one file of them.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/split.sh"

cat >reference_set.py <<'PYTHON'
"""reference_set.py TARGET DONOR PREFIX: shard 1 and the head's, as the program must write them without a record."""
import sys
from gguf_file import I32, U16, GgufFile
from reference_graft import graft
target, donor, prefix = sys.argv[1:]
first = GgufFile.read(target)
head = graft(first, GgufFile.read(donor))
tensors = head.tensors[len(first.tensors):]
count, total = first.value("split.count") + 1, first.value("split.tensors.count") + len(tensors)
last = GgufFile(3, {}, tensors)
last.set("split.no", U16, count - 1)
head.tensors = first.tensors
for file in (head, last):
    file.set("split.count", U16, count)
    file.set("split.tensors.count", I32, total)
if first.alignment != 32:
    last.set("general.alignment", 4, first.alignment)
head.write(f"{prefix}-00001-of-{count:05d}.gguf.reference")
last.write(f"{prefix}-{count:05d}-of-{count:05d}.gguf.reference")
PYTHON
for prefix in four-Q4_K_M bare aligned with-head; do
  count=3
  [[ $prefix == four* ]] && count=4
  target=$(shard $prefix 1 $count)
  replace=()
  if [[ $prefix == with-head ]]; then
    replace=(--replace)
  else
    python3 reference_set.py "$target" "$DONOR" plain
    expect_exit 0 "$MTPGRAFT" graft -q --no-record --no-sync "$target" "$DONOR" -o plain.gguf
    for i in 1 $((count + 1)); do
      expect_same "$(shard plain "$i" $((count + 1)))" "$(shard plain "$i" $((count + 1))).reference"
    done
    rm plain-*
  fi
  # One file is what a graft of one file is, whatever files its trunk comes in.
  expect_exit 0 "$MTPGRAFT" graft -q --no-record --no-sync --merge "${replace[@]}" "$target" "$DONOR" -o one.gguf
  if [[ $prefix != aligned ]]; then
    "$MTPGRAFT" graft -q --no-record --no-sync -f "$TARGET" "$DONOR" -o reference.gguf
    expect_same one.gguf reference.gguf
  fi
  expect_exit 0 "$MTPGRAFT" verify one.gguf --target "$target" --donor "$DONOR"
  "$MTPGRAFT" checksum "$target" >target.sums
  expect_exit 0 "$MTPGRAFT" verify one.gguf -c target.sums --quiet --ignore-missing
  rm -f one.gguf reference.gguf
done
rm reference_set.py target.sums
no_leftovers . "${inputs[@]}"
