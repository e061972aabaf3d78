#!/usr/bin/env bash
# graft --in-place replaces heads, drops trailing bytes and takes sparse files only where blocks can be shared, and
# refuses that elsewhere with the file as it was.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/in_place.sh"
use target-with-head.gguf target-trailing-bytes.gguf
"$MTPGRAFT" graft -q --no-sync --replace target-with-head.gguf "$DONOR" -o replaced.gguf
"$MTPGRAFT" graft -q --no-sync target-trailing-bytes.gguf "$DONOR" -o trailing.gguf
python3 - "$SOURCE_DIR/tests/support" "$TARGET" sparse.gguf <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file
model = gguf_file.GgufFile.read(sys.argv[2])
model.tensors.append(gguf_file.Tensor("blk.0.bulk.weight", (1_000_000,), 24, gguf_file.Sparse(1_000_000)))
model.write(sys.argv[3])
PYTHON
"$MTPGRAFT" graft -q --no-sync sparse.gguf "$DONOR" -o dense.gguf

# The old end is needed until the new one is there.
other_end_on() {
  local fs=$1 donor=$1/$DONOR way=$2
  fresh "$fs"
  cp -L target-with-head.gguf target-trailing-bytes.gguf "$fs"
  if [[ $way == clone ]]; then
    expect_exit 0 "$MTPGRAFT" graft --in-place --replace -q "$fs/target-with-head.gguf" "$donor"
    expect_same "$fs/target-with-head.gguf" replaced.gguf
    expect_exit 0 "$MTPGRAFT" graft --in-place -q "$fs/target-trailing-bytes.gguf" "$donor"
    expect_same "$fs/target-trailing-bytes.gguf" trailing.gguf
  else
    expect_exit 5 "$MTPGRAFT" graft --in-place --replace "$fs/target-with-head.gguf" "$donor"
    expect_text "$STDERR" 'its end would change \(a head that is replaced, or bytes behind the last tensor\), which takes a file system that can share blocks$'
    expect_same "$fs/target-with-head.gguf" target-with-head.gguf
    expect_exit 5 "$MTPGRAFT" graft --in-place "$fs/target-trailing-bytes.gguf" "$donor"
    expect_text "$STDERR" 'its end would change '
    expect_same "$fs/target-trailing-bytes.gguf" target-trailing-bytes.gguf
  fi
  expect_only "$fs" "$TARGET" "$DONOR" target-with-head.gguf target-trailing-bytes.gguf
}

sparse_on() {
  local fs=$1 donor=$1/$DONOR way=$2
  fresh "$fs"
  cp --sparse=always sparse.gguf "$fs/sparse.gguf"
  if [[ $way == clone ]]; then
    expect_exit 0 "$MTPGRAFT" graft -q --in-place "$fs/sparse.gguf" "$donor"
    expect_same "$fs/sparse.gguf" dense.gguf
  else
    expect_exit 5 "$MTPGRAFT" graft --in-place "$fs/sparse.gguf" "$donor"
    expect_text "$STDERR" 'it is sparse: after a crash, its holes could not be told from the gap that shifting leaves'
    expect_text "$STDERR" '^  hint: fill the holes first \(cp --sparse=never FILE NEW\)'
    expect_same "$fs/sparse.gguf" sparse.gguf
    # Blocks that were reserved and never written look like data while they are in the cache, and later like a hole.
    cp --sparse=never --reflink=never sparse.gguf "$fs/sparse.gguf"
    sync "$fs/sparse.gguf"
    fallocate -z -o 6800000 -l 500000 "$fs/sparse.gguf"
    expect_same "$fs/sparse.gguf" sparse.gguf
    expect_exit 5 "$MTPGRAFT" graft --in-place "$fs/sparse.gguf" "$donor"
    expect_same "$fs/sparse.gguf" sparse.gguf
    cp --sparse=never --reflink=never sparse.gguf "$fs/sparse.gguf"
    expect_exit 0 "$MTPGRAFT" graft -q --in-place "$fs/sparse.gguf" "$donor"
    expect_same "$fs/sparse.gguf" dense.gguf
  fi
  expect_only "$fs" "$TARGET" "$DONOR" sparse.gguf
}

clone_only_on() {
  other_end_on "$@"
  sparse_on "$@"
}
on_file_systems clone_only_on
