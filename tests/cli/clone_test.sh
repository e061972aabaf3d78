#!/usr/bin/env bash
# Cloning: on file systems that share blocks between files a graft takes the disk space of the head. However the bytes
# get there, they are the same.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
! is_plain_posix || skip_all "the program does not clone"
use "$TARGET" "$DONOR" target-align-4096.gguf

# The body stands at 36416 of the target and 40512 of the graft, both 3648 bytes into a block, and ends with the target.
# Its whole blocks are those from 36864 on in the target, one block further in the graft.
size=7774208
first_block=9
block_count=$((6720000 / 4096 - first_block))
cloned=$((block_count * 4096))
copied=$((size - cloned))

"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o reference.gguf
"$MTPGRAFT" graft -q --no-sync --no-record "$TARGET" "$DONOR" -o plain.gguf
[[ $(stat -c %s reference.gguf) == "$size" ]] || fail "the bundled models are others than this test knows"

# What is on disk, by another program than ours: the blocks of FILE, a line of "logical physical flags" for each extent.
cat >"$SCRATCH/shared.py" <<'PYTHON'
"""shared.py FILE FIRST OTHER FIRST COUNT: how many of COUNT blocks of the two files are the same on disk."""
import re, subprocess, sys
def blocks(path):
    text = subprocess.run(["filefrag", "-v", "-s", "-b4096", path], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s*\d+:\s*(\d+)\.\.\s*(\d+):\s*(\d+)\.\.\s*\d+:\s*\d+:(?:\s*\d+:)?\s*(.*)", line)
        if match:
            first, last, physical = map(int, match.groups()[:3])
            for block in range(first, last + 1):
                found[block] = (physical + block - first, "shared" in match[4].split(","))
    return found
a, b = blocks(sys.argv[1]), blocks(sys.argv[3])
pairs = [(a.get(int(sys.argv[2]) + i), b.get(int(sys.argv[4]) + i)) for i in range(int(sys.argv[5]))]
print(sum(x is not None and x == y and x[1] for x, y in pairs))
PYTHON

# expect_shared COUNT TARGET GRAFT: so many of the body's blocks are the same on disk.
expect_shared() {
  local found
  found=$(python3 "$SCRATCH/shared.py" "$2" "$first_block" "$3" $((first_block + 1)) "$block_count")
  [[ $found == "$1" ]] || fail "$found of $block_count blocks are shared by $2 and $3, expected $1"
}

# expect_json EXPRESSION: true of the object that the last command printed.
expect_json() {
  [[ $(json "$1") == True ]] || fail "not true: $1, of: $last_command: $(cat "$STDOUT")"
}

# read_bytes COMMAND...: runs it, prints how many bytes it has read.
cat >"$SCRATCH/read_bytes.py" <<'PYTHON'
import os, re, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
print(re.search(r"rchar: (\d+)", open(f"/proc/{process.pid}/io").read())[1])
process.wait()
PYTHON
read_bytes() { python3 "$SCRATCH/read_bytes.py" "$@"; }

# refuses_clone PATTERN ARGUMENT...: graft --copy=clone ends with the reason, its dry run too, and leaves nothing.
refuses_clone() {
  local pattern=$1 before
  shift
  before=$(find . | sort)
  for how in "" --dry-run; do
    # shellcheck disable=SC2086  # empty is no argument
    expect_exit 4 "$MTPGRAFT" graft $how --copy=clone "$@"
    expect_text "$STDERR" "^mtpgraft: .*: cannot clone the target's tensor data: $pattern\$"
    expect_text "$STDERR" '^  hint: use --copy=auto, which copies what cannot be cloned$'
  done
  [[ $(find . | sort) == "$before" ]] || fail "files were left by: $last_command"
}

# A donor whose head stands at the same place of a block as it will in the graft, by a key that nobody reads. The head is
# the last thing in the graft.
make_aligned_donor() {
  python3 - "$SOURCE_DIR/tests/support" "$DONOR" "$1" $(((size - 1050112) % 4096)) <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file
def head_start():
    model = gguf_file.GgufFile.read(sys.argv[3])
    return model.data_offset + min(o for t, o in zip(model.tensors, model.offsets()) if t.name.startswith("blk."))
for length in range(1, 4097, 16):
    model = gguf_file.GgufFile.read(sys.argv[2])
    model.keys["test.filler"] = (8, "x" * length)
    model.write(sys.argv[3])
    if head_start() % 4096 == int(sys.argv[4]):
        break
else:
    sys.exit("no length of the key does it")
PYTHON
}

# expect_trusted CODE SHARED: verify --trust-shared-extents trusts so many bytes, and reads the others.
expect_trusted() {
  local expected_code=$1 shared=$2
  expect_exit "$expected_code" "$MTPGRAFT" verify --json --trust-shared-extents "${compared[@]}"
  expect_json "x['result']['shared_bytes'] == $shared and x['result']['compared_bytes'] == $size - $shared"
}

clone_on() {
  local fs=$1 way
  cp -L "$TARGET" "$DONOR" "$fs"
  sync -f "$fs"

  for way in auto clone kernel buffered; do
    expect_exit 0 "$MTPGRAFT" graft --json --copy=$way "$fs/$TARGET" "$fs/$DONOR" -o "$fs/$way.gguf"
    expect_same "$fs/$way.gguf" reference.gguf
    expect_json "x['result']['bytes_kept'] == 0 and x['result']['in_place'] is None and x['result']['seconds'] > 0"
    if [[ $way == auto || $way == clone ]]; then
      expect_json "(x['result']['bytes_cloned'], x['result']['bytes_copied']) == ($cloned, $copied)"
      expect_json "1050112 <= x['result']['bytes_allocated'] <= $copied + 65536"
      expect_shared "$block_count" "$fs/$TARGET" "$fs/$way.gguf"
    else
      expect_json "(x['result']['bytes_cloned'], x['result']['bytes_copied']) == (0, $size)"
      expect_json "$size - 65536 <= x['result']['bytes_allocated'] <= $size + 65536"
      expect_shared 0 "$fs/$TARGET" "$fs/$way.gguf"
    fi
    rm -f "$fs/$way.gguf"
  done
  expect_exit 0 "$MTPGRAFT" graft "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf"
  expect_same "$fs/out.gguf" reference.gguf
  expect_text "$STDOUT" '^7\.4 MiB in [0-9.]+ s: 6\.4 MiB cloned, 1\.0 MiB copied, 1\.[01] MiB newly allocated on disk; to '
  grep -q '^copies$' "$STDOUT" && fail "the ways of the copies are shown without -v"
  # The body is not read: what is are headers and head.
  if [[ -e /proc/self/io ]]; then
    read=$(read_bytes "$MTPGRAFT" graft -q -f "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf")
    ((read < cloned)) || fail "a cloning graft has read $read bytes"
  fi

  # -v tells the way of each range.
  expect_exit 0 "$MTPGRAFT" graft -v -f "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf"
  expect_text "$STDOUT" '^copies$'
  expect_text "$STDOUT" '^  target  36416 +-> +40512 +6683584 bytes +6\.4 MiB cloned, 2\.9 KiB copied (in the kernel|through a buffer)$'
  expect_text "$STDOUT" "^  donor .* 1\.0 MiB copied (in the kernel|through a buffer); not cloned: it begins 2560 bytes into a block of 4096, and 416 in the source\$"
  expect_exit 0 "$MTPGRAFT" graft -v -f --copy=buffered "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf"
  expect_text "$STDOUT" '^  target  36416 .* 6\.4 MiB copied through a buffer$'
  expect_text "$STDOUT" ' s: 0 bytes cloned, 7\.4 MiB copied, 7\.4 MiB newly '
  expect_exit 0 "$MTPGRAFT" graft -v -f --copy=kernel "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf"
  expect_text "$STDOUT" '^  target  36416 .* 6\.4 MiB copied in the kernel$'
  expect_exit 0 "$MTPGRAFT" graft -n "$fs/$TARGET" "$fs/$DONOR" -o "$fs/none.gguf"
  expect_text "$STDOUT" '^dry run: nothing was written; 1\.0 MiB needed, '
  expect_exit 0 "$MTPGRAFT" graft -n --copy=buffered "$fs/$TARGET" "$fs/$DONOR" -o "$fs/none.gguf"
  expect_text "$STDOUT" '^dry run: nothing was written; 7\.4 MiB needed, '

  # The head too is cloned where it fits.
  cp aligned-donor.gguf "$fs"
  expect_exit 0 "$MTPGRAFT" graft -v -f --copy=clone "$fs/$TARGET" "$fs/aligned-donor.gguf" -o "$fs/out.gguf"
  expect_text "$STDOUT" '^  donor .* 1050112 bytes +1\.0 MiB cloned, [0-9.]+ KiB copied (in the kernel|through a buffer)$'
  expect_same "$fs/out.gguf" aligned.gguf
  expect_exit 0 "$MTPGRAFT" graft --json -f "$fs/$TARGET" "$fs/aligned-donor.gguf" -o "$fs/out.gguf"
  expect_json "$cloned + 1000000 < x['result']['bytes_cloned'] == $size - x['result']['bytes_copied']"
  expect_json "x['result']['bytes_allocated'] <= x['result']['bytes_copied'] + 65536"

  # Data that begin with a block.
  cp -L target-align-4096.gguf "$fs"
  for way in auto clone kernel buffered; do
    expect_exit 0 "$MTPGRAFT" graft -q -f --copy=$way "$fs/target-align-4096.gguf" "$fs/$DONOR" -o "$fs/out.gguf"
    expect_same "$fs/out.gguf" block.gguf
  done

  # Other directories of the same file system; checksums, for which a clone must be read.
  mkdir "$fs/a" "$fs/b"
  cp "$fs/$TARGET" "$fs/a"
  expect_exit 0 "$MTPGRAFT" graft --copy=clone "$fs/a/$TARGET" "$DONOR" -o "$fs/b/out.gguf" --checksums "$fs/b/out.sums"
  expect_same "$fs/b/out.gguf" reference.gguf
  expect_shared "$block_count" "$fs/a/$TARGET" "$fs/b/out.gguf"
  expect_same "$fs/b/out.sums" <("$MTPGRAFT" checksum reference.gguf)
  no_leftovers "$fs/b" out.gguf out.sums
  # The target can go: the graft keeps its blocks.
  rm -r "$fs/a"
  expect_exit 0 "$MTPGRAFT" verify -q "$fs/b/out.gguf" --target "$TARGET" --donor "$DONOR"

  # What cannot be cloned.
  refuses_clone 'the output is on another file system' "$TARGET" "$DONOR" -o "$fs/none.gguf"
  refuses_clone 'the output is on another file system' "$fs/$TARGET" "$fs/$DONOR" -o none.gguf
  refuses_clone 'they are not at the same place of a disk block in both files, or too short' \
    --no-record "$fs/$TARGET" "$fs/$DONOR" -o "$fs/none.gguf"
  expect_exit 0 "$MTPGRAFT" graft --json --no-record "$fs/$TARGET" "$fs/$DONOR" -o "$fs/plain.gguf"
  expect_same "$fs/plain.gguf" plain.gguf
  expect_json "x['result']['bytes_cloned'] == 0"
  expect_exit 0 "$MTPGRAFT" graft -v -f "$TARGET" "$DONOR" -o "$fs/out.gguf"
  expect_same "$fs/out.gguf" reference.gguf
  expect_text "$STDOUT" '^  target  36416 .*; not cloned: the output is on another file system$'
  expect_nothing_on stderr

  # verify trusts shared blocks when it is asked to, and only those.
  compared=("$fs/out.gguf" --target "$fs/$TARGET" --donor "$fs/$DONOR")
  expect_trusted 0 0
  expect_exit 0 "$MTPGRAFT" graft -q -f --copy=clone "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf"
  expect_trusted 0 "$cloned"
  expect_exit 0 "$MTPGRAFT" verify --trust-shared-extents "${compared[@]}"
  expect_stdout <<TEXT
$fs/out.gguf: OK, 1.0 MiB checked, 6.4 MiB in the same blocks on disk as the sources
TEXT
  expect_exit 0 "$MTPGRAFT" verify "${compared[@]}"
  expect_stdout <<TEXT
$fs/out.gguf: OK, 7.4 MiB checked
TEXT
  expect_exit 0 "$MTPGRAFT" verify --json "${compared[@]}"
  expect_json "(x['result']['compared_bytes'], x['result']['shared_bytes']) == ($size, 0)"
  if [[ -e /proc/self/io ]]; then
    read=$(read_bytes "$MTPGRAFT" verify "${compared[@]}")
    ((read > 2 * cloned)) || fail "verify has read $read bytes only"
    read=$(read_bytes "$MTPGRAFT" verify --trust-shared-extents "${compared[@]}")
    ((read < cloned)) || fail "verify --trust-shared-extents has read $read bytes"
  fi

  # A write ends the sharing of its block, in either file, before it is on disk too. 100, 4 million and 7.5 million are
  # in header, body and head; 40960 and 40959 are the first byte that is shared and the last before it.
  local offset
  for offset in 100 40959 40960 4000000 $((40960 + cloned - 1)) $((40960 + cloned)) 7500000 $((size - 1)); do
    "$MTPGRAFT" graft -q -f --no-sync --copy=clone "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf"
    flip_byte "$fs/out.gguf" "$offset"
    for trust in "" --trust-shared-extents; do
      # shellcheck disable=SC2086  # empty is no argument
      expect_exit 1 "$MTPGRAFT" verify $trust "${compared[@]}"
      expect_text "$STDOUT" "(differ|differs): 1 of [0-9]+ bytes \(at byte $offset\)\$"
    done
    if ((offset >= 40960 && offset < 40960 + cloned)); then
      expect_trusted 1 $((cloned - 4096))
    else
      expect_trusted 1 "$cloned"
    fi
  done
  "$MTPGRAFT" graft -q -f --copy=clone "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf"
  cp --reflink=never "$fs/$TARGET" "$fs/kept.gguf"
  flip_byte "$fs/$TARGET" 5000000
  expect_trusted 1 $((cloned - 4096))
  expect_json "[finding['offset'] for finding in x['result']['findings']] == [5004096]"
  mv "$fs/kept.gguf" "$fs/$TARGET"
  # The same bytes, in other blocks.
  expect_trusted 0 0

  # Holes of the target stay holes and are never in the way.
  cp --sparse=always sparse.gguf "$fs/sparse.gguf"
  (($(stat -c %b "$fs/sparse.gguf") * 512 < 7500000)) || fail "the sparse target is not sparse"
  for way in auto clone kernel buffered; do
    expect_exit 0 "$MTPGRAFT" graft --json -f --copy=$way "$fs/sparse.gguf" "$fs/$DONOR" -o "$fs/out.gguf"
    expect_same "$fs/out.gguf" dense.gguf
    (($(stat -c %b "$fs/out.gguf") * 512 < 8600000)) || fail "holes are filled by --copy=$way on $fs"
    expect_json "x['result']['bytes_cloned'] + x['result']['bytes_copied'] <= x['result']['output_size']"
    [[ $way == auto || $way == clone ]] && expect_json "x['result']['bytes_allocated'] < 1200000"
  done
  rm -rf "${fs:?}"/*
}

# A disk with room for the head and not for the body.
fill_up_on() {
  local fs=$1 way
  cp -L "$TARGET" "$DONOR" "$fs"
  leave_room "$fs" 3000
  find "$fs" -mindepth 1 -printf '%P\n' >"$SCRATCH/names"
  for way in kernel buffered; do
    expect_exit 4 "$MTPGRAFT" graft --copy=$way "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf"
    expect_nothing_on stdout
    expect_text "$STDERR" "^mtpgraft: $fs/out\\.gguf: no space: 7\\.4 MiB needed, [0-9.]+ [MK]iB free\$"
    mapfile -t names <"$SCRATCH/names"
    no_leftovers "$fs" "${names[@]}"
  done
  expect_exit 4 "$MTPGRAFT" graft "$TARGET" "$DONOR" -o "$fs/out.gguf"
  no_leftovers "$fs" "${names[@]}"
  if [[ $fs == ext4 ]]; then
    expect_exit 4 "$MTPGRAFT" graft "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf"
  else
    expect_exit 0 "$MTPGRAFT" graft "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf"
    expect_same "$fs/out.gguf" reference.gguf
    rm "$fs/out.gguf"
  fi
  no_leftovers "$fs" "${names[@]}"
}

make_aligned_donor aligned-donor.gguf
"$MTPGRAFT" graft -q --no-sync "$TARGET" aligned-donor.gguf -o aligned.gguf
"$MTPGRAFT" graft -q --no-sync target-align-4096.gguf "$DONOR" -o block.gguf
python3 - "$SOURCE_DIR/tests/support" "$TARGET" sparse.gguf <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file
model = gguf_file.GgufFile.read(sys.argv[2])
for place in (5, len(model.tensors)):
    model.tensors.insert(place, gguf_file.Tensor(f"bulk.{place}.weight", (4_000_000,), 24, bytes(4_000_000)))
model.write(sys.argv[3])
PYTHON
"$MTPGRAFT" graft -q --no-sync sparse.gguf "$DONOR" -o dense.gguf

for fs in xfs btrfs; do
  if mount_fs $fs; then
    clone_on $fs
    fill_up_on $fs
  fi
done

# File systems without clones: automatic grafts say nothing of it but with -v.
for fs in ext4 tmpfs xfs-noreflink; do
  mount_fs $fs || continue
  cp -L "$TARGET" "$DONOR" $fs
  for way in auto kernel buffered; do
    expect_exit 0 "$MTPGRAFT" graft --json -f --copy=$way "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf"
    expect_same "$fs/out.gguf" reference.gguf
    expect_nothing_on stderr
    expect_json "(x['result']['bytes_cloned'], x['result']['bytes_copied']) == (0, $size)"
  done
  expect_exit 0 "$MTPGRAFT" graft -v -f "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf"
  expect_text "$STDOUT" '^  target  36416 .*; not cloned: the file system cannot share blocks between files$'
  compared=("$fs/out.gguf" --target "$fs/$TARGET" --donor "$fs/$DONOR")
  expect_trusted 0 0
  rm "$fs/out.gguf"
  refuses_clone 'the file system cannot share blocks between files' "$fs/$TARGET" "$fs/$DONOR" -o "$fs/out.gguf"
  rmdir "$fs/lost+found" 2>/dev/null || true
  no_leftovers $fs "$TARGET" "$DONOR"
  rm "$fs"/*.gguf
  [[ $fs == ext4 ]] && fill_up_on ext4
done

# Options that are wrong.
expect_exit 2 "$MTPGRAFT" graft --copy=magic "$TARGET" "$DONOR" -o none.gguf
expect_exit 2 "$MTPGRAFT" graft --copy "$TARGET" "$DONOR" -o none.gguf
expect_exit 2 "$MTPGRAFT" verify --trust-shared-extents reference.gguf
[[ ! -e none.gguf ]] || fail "an output of a wrong command line"
