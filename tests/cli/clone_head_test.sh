#!/usr/bin/env bash
# A head in a file of its own shares the donor's blocks on disk, where the file system can do that: from 4 MiB on its file
# has the key mtpgraft.padding, which brings the tensors to the same place in a block.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
! is_plain_posix || skip_all "the program does not clone"

python3 - "$SOURCE_DIR/tests/support" <<'PYTHON'
import random, sys
sys.path.insert(0, sys.argv[1])
from gguf_file import F32, STRING, U32, GgufFile, Tensor

def tensor(name, *shape):
    count = shape[0] * (shape[1] if len(shape) > 1 else 1)
    return Tensor(name, shape, F32, b"".join(random.choice((b"\x00\x00\x80\x3f", b"\x00\x00\x00\x3f")) for _ in range(count)))

def model(blocks, *tensors):
    keys = {"general.architecture": (STRING, "red"), "red.block_count": (U32, blocks), "red.embedding_length": (U32, 32)}
    return GgufFile(keys=keys, tensors=[tensor(f"{name}.weight", 32) for name in ("token_embd", "output_norm", "output")]
                    + list(tensors))

random.seed(1)
trunk = [tensor(f"blk.{block}.x", 1000, 13) for block in (0, 1)]
norms = [tensor(f"blk.2.nextn.{name}.weight", 32) for name in ("enorm", "hnorm", "shared_head_norm")]
model(2, *trunk).write("target.gguf")
for name, rows in (("donor", 1500), ("small", 100)):
    donor = model(3, *trunk, tensor("blk.2.nextn.eh_proj.weight", 64, 32), *norms, tensor("blk.2.x", 1000, rows))
    donor.set("red.nextn_predict_layers", U32, 1)
    donor.write(f"{name}.gguf")
PYTHON

# make DIR: what is looked at, from the models there.
make() {
  (cd "$1" && "$MTPGRAFT" extract -q --no-sync --tensors-only donor.gguf -o head.gguf 2>/dev/null &&
    "$MTPGRAFT" extract -q --no-sync donor.gguf -o mtp.gguf 2>/dev/null &&
    "$MTPGRAFT" graft -q --no-sync --split-head target.gguf donor.gguf -o split.gguf 2>/dev/null)
}
make .
made=(head.gguf mtp.gguf split-00001-of-00002.gguf split-00002-of-00002.gguf)
expect_exit 0 "$MTPGRAFT" verify split-00001-of-00002.gguf --target target.gguf --donor donor.gguf
# What has that key is read as any other, and makes the same again.
expect_exit 0 "$MTPGRAFT" extract -q --no-sync mtp.gguf -o again.gguf
expect_same again.gguf mtp.gguf
expect_exit 0 "$MTPGRAFT" graft -q --no-sync --no-record target.gguf mtp.gguf -o graft.gguf
expect_exit 0 "$MTPGRAFT" graft -q --no-sync --no-record target.gguf donor.gguf -o other.gguf
expect_same graft.gguf other.gguf
expect_exit 0 "$MTPGRAFT" strip -q --no-sync split-00001-of-00002.gguf -o stripped.gguf
expect_same stripped.gguf target.gguf

# A small head is copied in a moment, and has no such key.
expect_exit 0 "$MTPGRAFT" extract -q --no-sync --tensors-only small.gguf -o small-head.gguf
! grep -q mtpgraft.padding small-head.gguf || fail "a small head has the key"
grep -q mtpgraft.padding head.gguf || fail "a large head has not the key"

# The files of 0.1.0, which had no such key, and did not tell of it in the record.
expect_exit 0 "$MTPGRAFT" graft -q --no-sync --no-record --split-head target.gguf donor.gguf -o plain.gguf
mkdir old
cp plain-00002-of-00002.gguf old/split-00002-of-00002.gguf
python3 - "$SOURCE_DIR/tests/support" <<'PYTHON'
import pathlib, re, sys
sys.path.insert(0, sys.argv[1])
from attacks import signed
data = pathlib.Path("split-00001-of-00002.gguf").read_bytes()
record = re.search(rb'(\{"record":.*),"xxh128":"[0-9a-f]{32}"\}', data)
text = signed((record[1].replace(b',"padded":true', b"") + b"}").decode()).encode()
assert len(text) < len(record[0])
pathlib.Path("old/split-00001-of-00002.gguf").write_bytes(data.replace(record[0], text.ljust(len(record[0]))))
PYTHON
expect_exit 0 "$MTPGRAFT" verify old/split-00001-of-00002.gguf --target target.gguf --donor donor.gguf

# The same bytes on any file system, and the head's blocks only once.
for fs in xfs btrfs; do
  mount_fs "$fs" || continue
  cp target.gguf donor.gguf "$fs"
  sync -f "$fs"
  make "$fs"
  for file in "${made[@]}"; do
    expect_same "$fs/$file" "$file"
  done
  rm "$fs"/{head,mtp,split}*
  for arguments in "extract --tensors-only donor.gguf -o head.gguf" "extract donor.gguf -o mtp.gguf" \
    "graft --split-head target.gguf donor.gguf -o split.gguf"; do
    # shellcheck disable=SC2086  # words
    (cd "$fs" && "$MTPGRAFT" $arguments --json >"$STDOUT" 2>/dev/null)
    last_command="$arguments on $fs"
    [[ $(json 'x["result"]["bytes_cloned"] > 6000000 - 8192 and x["result"]["bytes_allocated"] < 200000') == True ]] ||
      fail "the head was copied: $(json '{k: v for k, v in x["result"].items() if k.startswith("bytes")}')"
  done
done
