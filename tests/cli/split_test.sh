#!/usr/bin/env bash
# Split models: a graft of one is again one, made without copying what stays; all of it appears or nothing.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
use "$TARGET" "$DONOR" split
cp split/*.gguf .

FOUR=four-Q4_K_M-00001-of-00004.gguf
OUT=four-MTP-Q4_K_M-00001-of-00005.gguf
export MODELS_DIR PYTHONPATH=$SOURCE_DIR/tests/support PYTHONDONTWRITEBYTECODE=1
mapfile -t inputs < <(ls -A)

expect_json() {
  [[ $(json "$1") == True ]] || fail "not true: $1, of: $last_command: $(cat "$STDOUT")"
}

# shard PREFIX NUMBER COUNT
shard() { printf '%s-%05d-of-%05d.gguf' "$@"; }

# edit FILE STATEMENT: changes a file by Python on `f`.
edit() {
  python3 -c 'import os, sys
from gguf_file import *
f = GgufFile.read(sys.argv[1])
exec(sys.argv[2])
f.write(sys.argv[1] + ".new")
os.replace(sys.argv[1] + ".new", sys.argv[1])' "$@"
}

# expect_link hard|own FILE SOURCE
expect_link() {
  local found=own
  [[ $2 -ef $3 ]] && found=hard
  [[ $found == "$1" ]] || fail "$2 is a file of its own, or not, after: $last_command"
}

remove_outputs() { rm -f four-MTP-* ./*.new; }

# The default: files that stay are linked, and each file is what another program makes of it.
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
7.4 MiB in N s: WAYS; to prove it byte for byte:
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
rm reference_set.py

# What a set is, and a file of it.
expect_exit 0 "$MTPGRAFT" inspect "$FOUR"
expect_text "$STDOUT" '^  files      4 files, 6\.4 MiB \(6720480 bytes\), GGUF v3, 35 keys, alignment 32, data at 29376$'
expect_text "$STDOUT" '^  MTP        no head$'
expect_exit 0 "$MTPGRAFT" inspect --tensors=blk.12.attn_k.weight "$OUT"
expect_text "$STDOUT" '^    blk\.12\.attn_k\.weight  Q8_0  \[256, 128\]  34816 bytes  at 1024 of file 5$'
expect_exit 0 "$MTPGRAFT" inspect "$(shard four-Q4_K_M 2 4)"
expect_text "$STDOUT" '^  MTP        unknown: this is one file of a split model$'
expect_text "$STDOUT" '^             name the first file, '

# Checksums: of a set they are those of its tensors, wherever they stand, and of the first file's metadata.
"$MTPGRAFT" checksum "$TARGET" | tail -n +2 >one.sums
expect_exit 0 "$MTPGRAFT" checksum "$FOUR"
tail -n +2 "$STDOUT" >set.sums
expect_same one.sums set.sums
expect_exit 0 "$MTPGRAFT" graft -q -f --checksums written.sums "$FOUR" "$DONOR"
expect_exit 0 "$MTPGRAFT" verify --exact "$OUT" -c written.sums --quiet
expect_exit 0 "$MTPGRAFT" verify "$OUT" -c one.sums --quiet

# verify names shard, tensor and place; what is broken is no excuse.
remove_outputs
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
remove_outputs

# Other ways to link, and the disks where they are impossible.
expect_exit 0 "$MTPGRAFT" graft --json --link=sym "$FOUR" "$DONOR"
expect_json "[file['way'] for file in x['result']['outputs']] == ['written'] + ['symlinked'] * 3 + ['written']"
[[ $(readlink "$(shard four-MTP-Q4_K_M 2 5)") == "$(shard four-Q4_K_M 2 4)" ]] || fail "no relative link"
expect_exit 0 "$MTPGRAFT" verify -q "$OUT" --target "$FOUR" --donor "$DONOR"
mkdir elsewhere
expect_exit 0 "$MTPGRAFT" graft -q --link=sym "$FOUR" "$DONOR" -o elsewhere/x.gguf
expect_exit 0 "$MTPGRAFT" verify -q elsewhere/x-00001-of-00005.gguf --target "$FOUR" --donor "$DONOR"
# Links to links lead to the shards themselves.
expect_exit 0 "$MTPGRAFT" graft -q --replace "$OUT" "$DONOR" -o elsewhere/y.gguf
expect_link hard "elsewhere/$(shard y 3 5)" "$(shard four-Q4_K_M 3 4)"
[[ ! -L elsewhere/$(shard y 3 5) ]] || fail "a link to a symbolic link"
rm -r elsewhere
remove_outputs
if mount_fs tmpfs; then
  inputs+=(tmpfs)
  expect_exit 4 "$MTPGRAFT" graft --link=hard "$FOUR" "$DONOR" -o tmpfs/x.gguf
  expect_stderr <<'TEXT'
mtpgraft: tmpfs/x-00002-of-00005.gguf: cannot hard-link 'four-Q4_K_M-00002-of-00004.gguf': Invalid cross-device link
  hint: use --link=auto, which clones or copies where that is impossible
TEXT
  expect_exit 4 "$MTPGRAFT" graft --link=clone "$FOUR" "$DONOR" -o tmpfs/x.gguf
  expect_text "$STDERR" 'cannot clone the shard: the (output is on another file system|file system cannot share blocks)'
  no_leftovers tmpfs
  expect_exit 0 "$MTPGRAFT" graft --json "$FOUR" "$DONOR" -o tmpfs/x.gguf
  expect_json "[file['way'] for file in x['result']['outputs']] == ['written'] + ['copied'] * 3 + ['written']"
  expect_exit 0 "$MTPGRAFT" verify -q tmpfs/x-00001-of-00005.gguf --target "$FOUR" --donor "$DONOR"
  rm tmpfs/*
  # No room: nothing is left.
  fallocate -l 62M tmpfs/filler
  expect_exit 4 "$MTPGRAFT" graft "$FOUR" "$DONOR" -o tmpfs/x.gguf
  expect_text "$STDERR" '^mtpgraft: tmpfs/x-00001-of-00005.gguf: no space: 7\.4 MiB needed'
  no_leftovers tmpfs filler
fi
if ! is_plain_posix && mount_fs xfs; then
  inputs+=(xfs)
  cp four-*.gguf xfs
  expect_exit 0 "$MTPGRAFT" graft --json --link=clone --copy=clone "xfs/$FOUR" "$DONOR"
  expect_json "[file['way'] for file in x['result']['outputs']] == ['written'] + ['cloned'] * 3 + ['written']"
  expect_json "x['result']['bytes_cloned'] > 6600000 and x['result']['bytes_allocated'] < 1300000"
fi

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
expect_exit 0 "$MTPGRAFT" graft -n "$FOUR" "$DONOR" -o place/x.gguf
expect_text "$STDOUT" '^dry run: nothing was written; 2\.8 MiB needed, '
expect_text "$STDOUT" '^  place/x-00003-of-00005.gguf  hard-linked  1\.5 MiB$'
no_leftovers place
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
rm -r place

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

# strip: the target again, byte for byte.
expect_exit 0 "$MTPGRAFT" graft -q "$FOUR" "$DONOR" -o x.gguf
expect_exit 0 "$MTPGRAFT" strip x-00001-of-00005.gguf -o restored.gguf
expect_text "$STDOUT" '^this is "four-Q4_K_M-00001-of-00004\.gguf" again, byte for byte'
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

# Names.
expect_exit 2 "$MTPGRAFT" graft "$FOUR" "$DONOR" -o x-00001-of-00004.gguf
expect_stderr <<'TEXT'
mtpgraft: 'x-00001-of-00004.gguf' is not the name of the first of 5 files, which the graft has
  hint: give the output a name with -o
TEXT
expect_exit 0 "$MTPGRAFT" graft -q "$FOUR" "$DONOR" -o x-00001-of-00005.gguf
expect_exit 2 "$MTPGRAFT" graft --merge --split-head "$FOUR" "$DONOR"
expect_exit 2 "$MTPGRAFT" graft --link=soft "$FOUR" "$DONOR"
expect_exit 5 "$MTPGRAFT" graft --in-place "$(shard four-Q4_K_M 1 4)" "$DONOR"
expect_stderr <<'TEXT'
mtpgraft: four-Q4_K_M-00001-of-00004.gguf: a split model is not changed in place
  hint: leave out --in-place: the files that stay as they are get a second name, and are not copied
TEXT
rm x-*

# Sets that are none. Every command says so.
mkdir broken
# broken CODE TEXT: on standard input, what breaks a fresh copy of the set.
broken() {
  local expected=$1 text=$2 command
  rm -f broken/*
  cp split/four-* broken
  (cd broken && . /dev/stdin)
  printf 'mtpgraft: broken/%s\n' "$text" >"$SCRATCH/message"
  for command in "graft broken/$FOUR $DONOR -o none.gguf" "inspect broken/$FOUR" "verify broken/$FOUR" \
    "checksum broken/$FOUR"; do
    # shellcheck disable=SC2086
    expect_exit "$expected" "$MTPGRAFT" $command
    expect_nothing_on stdout
    expect_stderr <"$SCRATCH/message"
  done
}
hint='  hint: the files of a split model stand in one directory, named as they were made'
SECOND=$(shard four-Q4_K_M 2 4)
at() { python3 -c 'import sys; print(open(sys.argv[1], "rb").read(100000).index(sys.argv[2].encode()) - 8)' "$@"; }
broken 4 "$SECOND: shard 2 of 4: cannot open: No such file or directory
$hint" <<<"rm $SECOND"
broken 3 "$SECOND: key 'split.no' is 2, expected 1 (at byte 24)
$hint" <<<"cp $(shard four-Q4_K_M 3 4) $SECOND"
broken 3 "$SECOND: the shard has no key 'split.no'" <<<"edit $SECOND 'del f.keys[\"split.no\"]'"
broken 3 "$SECOND: key 'split.no' is u32, it must be u16 (at byte 24)" <<<"edit $SECOND 'f.set(\"split.no\", U32, 1)'"
broken 3 "$SECOND: tensor 'output_norm.weight' stands in another shard, too (at byte 106)" \
  <<<"edit $SECOND 'f.tensors.insert(0, GgufFile.read(\"$FOUR\").tensor(\"output_norm.weight\"))'"
broken 3 "$FOUR: is the first of 5 files by its keys, so its name must end with '-00001-of-00005.gguf' (at byte $(at "$FOUR" split.count))
$hint" <<<"edit $FOUR 'f.set(\"split.count\", U16, 5)'"
broken 3 "$FOUR: key 'split.tensors.count' is 161, expected 162 (at byte $(at "$FOUR" split.tensors.count))
$hint" <<<"edit $FOUR 'f.set(\"split.tensors.count\", I32, 161)'"
broken 3 "$FOUR: key 'split.count' is u32, it must be u16 (at byte $(at "$FOUR" split.count))" \
  <<<"edit $FOUR 'f.set(\"split.count\", U32, 4)'"
cp "$FOUR" broken/renamed.gguf
expect_exit 3 "$MTPGRAFT" inspect broken/renamed.gguf
expect_text "$STDERR" "is the first of 4 files by its keys, so its name must end with '-00001-of-00004.gguf'"
expect_exit 3 "$MTPGRAFT" graft "$SECOND" "$DONOR" -o none.gguf
expect_stderr <<TEXT
mtpgraft: $SECOND: the target is one file of a split model of 4 files, not the whole model
  hint: name the first file, ...-00001-of-....gguf, with the others beside it
TEXT
cp split/donor-00001-of-00002.gguf .
rm -rf broken ./*.sums
no_leftovers . "${inputs[@]}"
