#!/usr/bin/env bash
# strip: a graft becomes its target again, byte for byte; another model with a head a trunk with clean keys.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
use "$TARGET" "$DONOR" target-with-head.gguf target-placeholder.gguf target-trailing-bytes.gguf mtp-base-8L-Q4_K_M.gguf \
  donor-tensors-only-no-keys.gguf target-shard.gguf
inputs=("$TARGET" "$DONOR" target-with-head.gguf target-placeholder.gguf target-trailing-bytes.gguf
  mtp-base-8L-Q4_K_M.gguf donor-tensors-only-no-keys.gguf target-shard.gguf "$GRAFT")

"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR"

# set_string IN OUT KEY EXPRESSION: changes a string to what Python makes of its `value`.
set_string() {
  python3 - "$SOURCE_DIR/tests/support" "$@" <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file
model = gguf_file.GgufFile.read(sys.argv[2])
value = model.value(sys.argv[4])
model.set(sys.argv[4], 8, eval(sys.argv[5]))
model.write(sys.argv[3])
PYTHON
}

keys_back='  qwen35.block_count           u32     13                  ->  12
  qwen35.nextn_predict_layers  u32     1                   ->  none
  mtpgraft.record              string  the graft'"'"'s record  ->  none'

# A dry run tells everything and writes nothing.
expect_exit 0 "$MTPGRAFT" strip -n "$GRAFT" -o out.gguf
expect_nothing_on stderr
expect_stdout <<END_OF_TEXT
file    $GRAFT  qwen35  head at blk.12: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
output  out.gguf                    qwen35  162 tensors, 6.4 MiB (6720000 bytes)
keys
$keys_back
tensors taken out
  blk.12.attn_k.weight
  blk.12.attn_k_norm.weight
  blk.12.attn_norm.weight
  blk.12.attn_output.weight
  blk.12.attn_q.weight
  blk.12.attn_q_norm.weight
  blk.12.attn_v.weight
  blk.12.ffn_down.weight
  blk.12.ffn_gate.weight
  blk.12.ffn_up.weight
  blk.12.nextn.eh_proj.weight
  blk.12.nextn.enorm.weight
  blk.12.nextn.hnorm.weight
  blk.12.nextn.shared_head_norm.weight
  blk.12.post_attention_norm.weight
15 tensors of the head taken out, 1.0 MiB
header and size are those of "$TARGET" again; the tensor data are those of $GRAFT, and were not checked
dry run: nothing was written; 6.4 MiB needed, N free
END_OF_TEXT
no_leftovers . "${inputs[@]}"

expect_exit 0 "$MTPGRAFT" strip "$GRAFT" -o out.gguf
expect_nothing_on stderr
expect_stdout <<END_OF_TEXT
file    $GRAFT  qwen35  head at blk.12: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
output  out.gguf                    qwen35  162 tensors, 6.4 MiB (6720000 bytes)
keys
$keys_back
15 tensors of the head taken out, 1.0 MiB
header and size are those of "$TARGET" again; the tensor data are those of $GRAFT, and were not checked
6.4 MiB in N s: WAYS; to check the tensor data, with what 'mtpgraft checksum' printed of the original, or under its name with its SHA256SUMS:
  mtpgraft verify out.gguf -c LIST
END_OF_TEXT
expect_same out.gguf "$TARGET"
no_leftovers . "${inputs[@]}" out.gguf

# An output that exists, and --force; nothing is printed with -q.
expect_exit 5 "$MTPGRAFT" strip "$GRAFT" -o out.gguf
expect_nothing_on stdout
expect_stderr <<'END_OF_TEXT'
mtpgraft: out.gguf: the output exists
  hint: use --force to replace it, or -o for another name
END_OF_TEXT
expect_exit 0 "$MTPGRAFT" strip -q -f --checksums sums "$GRAFT" -o out.gguf
expect_nothing_on stdout stderr
expect_same out.gguf "$TARGET"
"$MTPGRAFT" checksum "$TARGET" >target.sums
expect_same sums target.sums
rm out.gguf sums target.sums

# A second graft over the first is undone with it.
"$MTPGRAFT" graft -q --no-sync --replace "$GRAFT" mtp-base-8L-Q4_K_M.gguf --yarn 2 -o second.gguf
expect_exit 0 "$MTPGRAFT" strip -q second.gguf -o out.gguf
expect_same out.gguf "$TARGET"
rm second.gguf out.gguf

# JSON.
expect_exit 0 "$MTPGRAFT" strip --json "$GRAFT" -o out.gguf
expect_nothing_on stderr
[[ $(json 'list(x["result"])') == "['dry_run', 'file', 'output', 'output_size', 'outputs', 'needed_bytes', 'free_bytes', 'data_offset', 'tensor_count', 'original', 'restores_original', 'data_checked', 'keys', 'removed_tensors', 'removed_bytes', 'warnings', 'in_place', 'bytes_cloned', 'bytes_kept', 'bytes_linked', 'bytes_copied', 'bytes_allocated', 'seconds']" ]] ||
  fail "other fields: $(json 'list(x["result"])')"
[[ $(json 'x["command"], x["ok"], x["result"]["dry_run"], x["result"]["original"], x["result"]["restores_original"]') == \
  "('strip', True, False, '$TARGET', True)" ]] || fail "other values: $last_command"
[[ $(json 'len(x["result"]["removed_tensors"]), x["result"]["removed_bytes"], x["result"]["output_size"], x["result"]["tensor_count"], x["result"]["in_place"], x["result"]["warnings"]') == \
  '(15, 1050112, 6720000, 162, None, [])' ]] || fail "other values: $last_command"
rm out.gguf
expect_exit 0 "$MTPGRAFT" strip --json -n target-with-head.gguf -o out.gguf
[[ $(json 'x["result"]["dry_run"], x["result"]["original"], x["result"]["restores_original"], x["result"]["seconds"]') == \
  '(True, None, False, None)' ]] || fail "other values: $last_command"

# Without a record: a trunk with clean keys, which here is the target, too.
for model in target-with-head.gguf target-placeholder.gguf; do
  expect_exit 0 "$MTPGRAFT" strip -q "$model" -o out.gguf
  expect_nothing_on stdout stderr
  expect_same out.gguf "$TARGET"
  rm out.gguf
done

# Where the record is of no use, that is said. expect_warning MODEL TEXT
expect_warning() {
  expect_exit 0 "$MTPGRAFT" strip "$1" -o out.gguf
  expect_stderr <<<"mtpgraft: warning: $2"
  expect_text "$STDOUT" '^1 warning, on stderr$'
  ! grep -q 'byte for byte' "$STDOUT" || fail "it is said to be the original: $last_command"
  expect_exit 0 "$MTPGRAFT" strip --json -q -f "$1" -o out.gguf
  expect_stderr <<<"mtpgraft: warning: $2"
  [[ $(json 'x["result"]["restores_original"]') == False ]] || fail "it is said to be the original: $last_command"
}
unusable='the record cannot restore the original'
set_string "$GRAFT" damaged.gguf mtpgraft.record 'value.replace("qwen35", "qwen36", 1)'
expect_warning damaged.gguf "$unusable (its own digest does not fit); the result is a trunk with clean keys"
expect_same out.gguf "$TARGET"
rm out.gguf damaged.gguf
"$MTPGRAFT" graft -q --no-sync --replace target-with-head.gguf mtp-base-8L-Q4_K_M.gguf -o replaced.gguf
expect_warning replaced.gguf \
  "$unusable (the original had 177 tensors, some of them a head's, and 162 are left); the result is a trunk with clean keys"
expect_same out.gguf "$TARGET"
rm out.gguf replaced.gguf
"$MTPGRAFT" graft -q --no-sync target-trailing-bytes.gguf "$DONOR" -o trailing.gguf
expect_warning trailing.gguf 'the original had 5000 bytes after its last tensor, which the graft dropped'
cmp -s -n 6720000 out.gguf target-trailing-bytes.gguf || fail "the rest differs: $last_command"
rm out.gguf trailing.gguf
# A key that was changed after the graft, to a value of the same and of another length.
for name in tiny-qwen35-target-12X short; do
  set_string "$GRAFT" changed.gguf general.name "'$name'"
  expect_warning changed.gguf \
    "the header is not that of the original '$TARGET': keys were changed after the graft"
  expect_exit 0 "$MTPGRAFT" inspect --kv=general.name out.gguf
  expect_text "$STDOUT" "^ +general.name +string +\"$name\"\$"
  rm out.gguf changed.gguf
done

# Refusals leave nothing behind.
expect_refusal() {
  local expected=$1
  shift
  expect_exit "$expected" "$MTPGRAFT" strip "$@"
  expect_nothing_on stdout
  no_leftovers . "${inputs[@]}"
}
expect_refusal 3 "$TARGET" -o out.gguf
expect_stderr <<END_OF_TEXT
mtpgraft: $TARGET: has no head to take out
END_OF_TEXT
for model in "$DONOR" donor-tensors-only-no-keys.gguf; do
  expect_refusal 3 "$model" -o out.gguf
  expect_stderr <<END_OF_TEXT
mtpgraft: $model: is a head without trunk: nothing would be left
END_OF_TEXT
done
expect_refusal 3 target-shard.gguf -o out.gguf
expect_refusal 2 "$GRAFT"
expect_stderr <<'END_OF_TEXT'
mtpgraft: strip needs -o FILE, or --in-place
  hint: mtpgraft strip --help
END_OF_TEXT
for output in '' -; do
  expect_refusal 2 "$GRAFT" -o "$output"
done
expect_refusal 2 "$GRAFT" -o out.gguf --in-place
expect_refusal 2 "$GRAFT" --in-place --copy=auto
expect_refusal 2
expect_refusal 2 "$GRAFT" -o out.gguf second
expect_refusal 4 none.gguf -o out.gguf
expect_refusal 4 "$GRAFT" -o none/out.gguf
expect_refusal 5 "$GRAFT" -o "$GRAFT"
expect_refusal 5 "$GRAFT" -f -o "./$GRAFT"
expect_refusal 5 "$GRAFT" -o out.gguf --checksums out.gguf
for model in "$TARGET" "$DONOR"; do
  cp -L "$model" copy.gguf
  expect_exit 3 "$MTPGRAFT" strip --in-place copy.gguf
  expect_same copy.gguf "$model"
  rm copy.gguf
done

# In place. Where blocks can be shared a new file takes the name, elsewhere blocks are taken out of the file itself.
in_place_on() {
  local fs=$1 way=$2 file=$1/$TARGET inode
  cp --reflink=never "$GRAFT" "$file"
  chmod 640 "$file"
  inode=$(stat -c %i "$file")
  expect_exit 0 "$MTPGRAFT" strip --in-place -n "$file"
  expect_same "$file" "$GRAFT"
  exec 9<"$file"
  expect_exit 5 "$MTPGRAFT" strip --in-place "$file"
  exec 9<&-
  expect_same "$file" "$GRAFT"
  expect_exit 0 "$MTPGRAFT" strip --in-place --json --checksums "$fs/sums" "$file"
  expect_nothing_on stderr
  [[ $(json 'x["result"]["in_place"], x["result"]["restores_original"]') == "('$way', True)" ]] ||
    fail "another way or result: $last_command: $(cat "$STDOUT")"
  [[ $(json 'sum(x["result"][k] for k in ("bytes_cloned", "bytes_kept", "bytes_copied"))') == 6720000 ]] ||
    fail "the bytes do not add up: $last_command: $(cat "$STDOUT")"
  [[ $(json 'x["result"]["bytes_copied"]') -lt 50000 ]] || fail "the body was copied: $last_command"
  expect_same "$file" "$TARGET"
  "$MTPGRAFT" checksum "$TARGET" | cmp -s - "$fs/sums" || fail "other checksums: $last_command"
  [[ $(stat -c %a "$file") == 640 ]] || fail "the mode was not kept: $last_command"
  if [[ $way == insert ]]; then
    [[ $(stat -c %i "$file") == "$inode" ]] || fail "$file is another file: $last_command"
  fi
  rm "$fs/sums"
  # There and back again.
  expect_exit 0 "$MTPGRAFT" graft --in-place -q "$file" "$DONOR"
  expect_same "$file" "$GRAFT"
  expect_exit 0 "$MTPGRAFT" strip --in-place "$file"
  expect_text "$STDOUT" '^in place: '
  expect_same "$file" "$TARGET"
  rm "$file"
}

# Two numbers of the header: the same file, whose other blocks are not even written.
placeholder_on() {
  local fs=$1 file=$1/placeholder.gguf inode blocks
  cp -L --reflink=never target-placeholder.gguf "$file"
  sync "$file"
  inode=$(stat -c %i "$file")
  blocks=$(filefrag -v "$file" 2>/dev/null | sed 1,3d) || blocks=
  expect_exit 0 "$MTPGRAFT" strip --in-place -n "$file"
  expect_same "$file" target-placeholder.gguf
  expect_exit 0 "$MTPGRAFT" strip --in-place "$file"
  expect_nothing_on stderr
  expect_text "$STDOUT" '^in place: only the header is written$'
  [[ $(stat -c %i "$file") == "$inode" ]] || fail "$file is another file: $last_command"
  sync "$file"
  if [[ $fs != btrfs && -n $blocks ]]; then
    [[ $(filefrag -v "$file" | sed 1,3d) == "$blocks" ]] || fail "its blocks are others: $last_command"
  fi
  [[ $(cmp -l target-placeholder.gguf "$file" | wc -l) == 2 ]] || fail "more than two numbers differ: $last_command"
  expect_exit 0 "$MTPGRAFT" inspect "$file"
  expect_text "$STDOUT" 'nextn_predict_layers 0: 12 trunk blocks'
  expect_exit 3 "$MTPGRAFT" strip --in-place "$file"
  rm "$file"
}

! is_plain_posix || exit 0
for share in ext4:insert xfs-noreflink:insert xfs:clone btrfs:clone; do
  fs=${share%:*}
  mount_fs "$fs" || continue
  in_place_on "$fs" "${share#*:}"
  placeholder_on "$fs"
  [[ $(find "$fs" -mindepth 1 -not -name lost+found) == '' ]] || fail "something is left on $fs: $(ls -A "$fs")"
done
if mount_fs tmpfs; then
  placeholder_on tmpfs
  cp "$GRAFT" tmpfs
  expect_exit 5 "$MTPGRAFT" strip --in-place "tmpfs/$GRAFT"
  expect_nothing_on stdout
  expect_text "$STDERR" 'its file system can neither share blocks between files nor shift them safely'
  expect_same "tmpfs/$GRAFT" "$GRAFT"
  no_leftovers tmpfs "$GRAFT"
fi
