#!/usr/bin/env bash
# Downloads that are not done: files with holes, and the names that programs give them. Warned of, and refused with
# --strict.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR"

# copy_with_hole FROM TO OFFSET LENGTH: OFFSET and LENGTH are multiples of 4096.
copy_with_hole() {
  cat "$1" >"$2"
  fallocate --punch-hole --offset "$3" --length "$4" "$2"
}
is_sparse() { (($(stat -c '%b * 512' "$1") < $(stat -c %s "$1"))); }
copy_with_hole "$TARGET" holes.gguf 1048576 65536 2>/dev/null || skip_all "this file system keeps no holes"
is_sparse holes.gguf || skip_all "this file system keeps no holes"

# tensor_at FILE OFFSET
tensor_at() {
  "$MTPGRAFT" inspect --json --tensors "$1" | python3 -c 'import json, sys
for t in json.load(sys.stdin)["result"]["files"][0]["tensors"]:
    if t["offset"] <= int(sys.argv[1]) < t["offset"] + t["bytes"]: print(t["name"])' "$2"
}

warning="'holes.gguf' has a hole in tensor '$(tensor_at "$TARGET" 1048576)', from byte 1048576 on: it reads as zeros, as \
what a download has not fetched yet"
expect_exit 0 "$MTPGRAFT" graft -q --no-sync holes.gguf "$DONOR" -o out.gguf
expect_nothing_on stdout
expect_stderr <<<"mtpgraft: warning: $warning"
expect_exit 3 "$MTPGRAFT" graft --strict holes.gguf "$DONOR" -o strict.gguf
expect_text "$STDERR" "has a hole in tensor"
[[ ! -e strict.gguf ]] || fail "an output is left"

# Whoever looks at the file is told, too.
expect_exit 0 "$MTPGRAFT" inspect -q holes.gguf
expect_stderr <<<"mtpgraft: warning: $warning"
expect_exit 0 "$MTPGRAFT" inspect --json holes.gguf
expect_text "$STDOUT" '"id":"file-holes"'
cat out.gguf >whole-graft.gguf
expect_exit 0 "$MTPGRAFT" verify -q whole-graft.gguf
expect_nothing_on stderr
copy_with_hole out.gguf out-holes.gguf 1048576 65536
expect_exit 0 "$MTPGRAFT" verify out-holes.gguf
expect_text "$STDERR" "'out-holes.gguf' has a hole in tensor"
expect_exit 0 "$MTPGRAFT" verify --json out-holes.gguf
expect_text "$STDOUT" '"warnings":\[\{"id":"file-holes"'
expect_exit 0 "$MTPGRAFT" strip --no-sync out-holes.gguf -o stripped.gguf
expect_text "$STDERR" "'out-holes.gguf' has a hole in tensor"

# Of a donor the head counts, and nothing else of it.
head_offset=$("$MTPGRAFT" inspect --json --tensors='*.nextn.eh_proj.weight' "$DONOR" |
  python3 -c 'import json, sys; print((json.load(sys.stdin)["result"]["files"][0]["tensors"][0]["offset"] + 4095) // 4096 * 4096)')
copy_with_hole "$DONOR" donor-holes.gguf "$head_offset" 4096
if is_sparse donor-holes.gguf; then
  expect_exit 0 "$MTPGRAFT" graft --no-sync "$TARGET" donor-holes.gguf -f -o out.gguf
  expect_text "$STDERR" "'donor-holes.gguf' has a hole in tensor 'blk.8.nextn.eh_proj.weight', from byte $head_offset on"
fi

# Not sparse: nothing is looked for, and zeros are zeros.
cat holes.gguf >zeros.gguf
expect_exit 0 "$MTPGRAFT" graft -q --no-sync zeros.gguf "$DONOR" -f -o out.gguf
expect_nothing_on stdout stderr

# Names.
cat "$TARGET" >whole.gguf
cat "$DONOR" >donor.gguf
for state in whole.gguf.aria2 whole.gguf.part whole.gguf.crdownload donor.gguf.incomplete donor.gguf.aria2; do
  : >"$state"
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync whole.gguf donor.gguf -f -o out.gguf
  expect_stderr <<<"mtpgraft: warning: '$state' is beside '${state%.*}', as while a download is not done: parts of it may \
be missing"
  expect_exit 3 "$MTPGRAFT" graft --strict whole.gguf donor.gguf -f -o out.gguf
  rm "$state"
done
for name in whole.gguf.part whole.gguf.INCOMPLETE whole.gguf.crdownload 'whole.gguf.!qB'; do
  mv whole.gguf "$name"
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync "$name" donor.gguf -f -o out.gguf
  expect_text "$STDERR" "^mtpgraft: warning: '$name' has the name of a download that is not done"
  expect_exit 0 "$MTPGRAFT" inspect -q "$name"
  expect_text "$STDERR" "has the name of a download that is not done"
  # A download that goes on would write at the places of before.
  cp "$name" "changed-$name"
  expect_exit 5 "$MTPGRAFT" graft --in-place "changed-$name" donor.gguf
  expect_same "changed-$name" "$name"
  rm "changed-$name"
  mv "$name" whole.gguf
done

# Each file of a split model.
ln -s "$FIXTURES_DIR"/split/four-Q4_K_M-* .
: >four-Q4_K_M-00003-of-00004.gguf.aria2
expect_exit 0 "$MTPGRAFT" graft -q --no-sync --merge four-Q4_K_M-00001-of-00004.gguf donor.gguf -f -o out.gguf
expect_text "$STDERR" "'four-Q4_K_M-00003-of-00004.gguf.aria2' is beside 'four-Q4_K_M-00003-of-00004.gguf'"

# And of a checkpoint.
cp -rL "$FIXTURES_DIR/checkpoints/qwen35-dense" checkpoint 2>/dev/null || cp -rL "$(dirname "$(find -L "$FIXTURES_DIR/checkpoints" \
  -name 'model*.safetensors' | sort | head -n 1)")" checkpoint
weights=$(basename "$(find checkpoint -name '*.safetensors' | sort | tail -n 1)")
: >"checkpoint/$weights.part"
expect_exit 0 "$MTPGRAFT" inspect checkpoint
expect_text "$STDERR" "'checkpoint/$weights.part' is beside 'checkpoint/$weights'"
