#!/usr/bin/env bash
# No output takes the place of an input, however the two are spelled: not with --force, not as a shard, not as a list.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
TARGET_SET=four-Q4_K_M-00001-of-00004.gguf
DONOR_SET=donor-00001-of-00002.gguf

mkdir in
cp -L "$MODELS_DIR/$TARGET" "$MODELS_DIR/$DONOR" "$FIXTURES_DIR"/split/{four,donor}-* in
cp -rL "$MODELS_DIR/hf-base-8L" in/checkpoint
"$MTPGRAFT" graft -q --no-sync "in/$TARGET" "in/$DONOR" -o "in/$GRAFT"
# A checkpoint in two files, the second without a tensor of the head.
python3 - in/checkpoint <<'PYTHON'
import json, os, struct, sys
os.chdir(sys.argv[1])
with open("mtp.safetensors", "rb") as file:
    names = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
names.pop("__metadata__", None)
trunk = json.dumps({"model.norm.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
with open("trunk.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(trunk)) + trunk + bytes(4))
with open("model.safetensors.index.json", "w") as file:
    json.dump({"weight_map": dict.fromkeys(names, "mtp.safetensors") | {"model.norm.weight": "trunk.safetensors"}}, file)
PYTHON
find in -type f -exec sha256sum {} + >"$SCRATCH/sums"
ln -s in linked
ways=("" ./ in/../ "$WORK/" /proc/self/cwd/)
if [[ $(id -u) == 0 ]] && mkdir bound && mount --bind in bound 2>/dev/null; then
  cleanups+=("umount '$WORK/bound'")
  bound=yes
else
  lack "a directory that is mounted twice"
fi

# Every spelling of the file in/NAME, one a line. Descriptor 9 is open on it.
spellings() {
  local way
  for way in "${ways[@]}"; do
    echo "${way}in/$1"
  done
  echo "linked/$1"
  [[ ! ${bound:-} ]] || echo "bound/$1"
  printf '%s\n' hard soft /proc/self/fd/9 /dev/fd/9
}

expect_inputs_unchanged() {
  sha256sum --quiet -c "$SCRATCH/sums" 2>&1 | grep . >&2 && fail "an input has changed after: $last_command"
  return 0
}

# protects INPUT COMMAND...: with -o and --checksums, in/INPUT by every spelling is refused.
protects() {
  local input=$1 spelling option
  shift
  ln -f "in/$input" hard
  ln -sf "in/$input" soft
  exec 9<"in/$input"
  while read -r spelling; do
    for option in -o "-o none.gguf --checksums"; do
      # Only graft has --checksums.
      [[ $option == -o || $1 == graft ]] || continue
      # shellcheck disable=SC2086  # several words
      expect_exit 5 "$MTPGRAFT" "$@" --force $option "$spelling"
      expect_nothing_on stdout
      expect_text "$STDERR" "^mtpgraft: .*: the output is the input '[^']*${input##*/}'\$"
    done
  done < <(spellings "$input")
  exec 9<&-
  rm hard soft
  expect_inputs_unchanged
}

protects "$TARGET" graft "in/$TARGET" "in/$DONOR"
protects "$DONOR" graft "linked/$TARGET" "linked/$DONOR"
for name in config.json model.safetensors.index.json mtp.safetensors trunk.safetensors; do
  protects "checkpoint/$name" graft "in/$TARGET" in/checkpoint
done
protects donor-00002-of-00002.gguf graft "in/$TARGET" "in/$DONOR_SET"
protects "$DONOR" extract "in/$DONOR"
protects "$TARGET" extract --for "in/$TARGET" "in/$DONOR"
protects checkpoint/config.json extract --for "in/$TARGET" in/checkpoint
protects "$GRAFT" strip "in/$GRAFT"
protects four-Q4_K_M-00003-of-00004.gguf graft --merge "in/$TARGET_SET" "in/$DONOR"

# A checkpoint of which only the head's files are there is one all the same.
cp -r in/checkpoint part
rm part/trunk.safetensors
expect_exit 0 "$MTPGRAFT" graft -q "in/$TARGET" part -o none.gguf
rm -r part none.gguf

# Files of a split output that lead to an input: only a shard that stays may have its own name once more.
# protects_set NUMBER INPUT COMMAND...: the output's file of that number is the input, by a link of either kind.
protects_set() {
  local name input=$2 link
  name=$(printf 'x-%05d-of-%05d.gguf' "${1%/*}" "${1#*/}")
  shift 2
  for link in ln "ln -s"; do
    # shellcheck disable=SC2086
    $link "$WORK/in/$input" "$name"
    expect_exit 5 "$MTPGRAFT" "$@" --force -o x.gguf
    expect_nothing_on stdout
    expect_text "$STDERR" "^mtpgraft: $name: the output is the input '[^']*$input'\$"
    rm "$name"
  done
  expect_inputs_unchanged
}
for number in 1/5 3/5 4/5 5/5; do
  protects_set $number four-Q4_K_M-00002-of-00004.gguf graft "in/$TARGET_SET" "in/$DONOR"
done
protects_set 5/5 "$DONOR" graft "in/$TARGET_SET" "in/$DONOR"
protects_set 2/2 "$TARGET" graft --split-head "in/$TARGET" "in/$DONOR"
protects_set 2/2 donor-00002-of-00002.gguf graft --split-head "in/$TARGET" "in/$DONOR_SET"

# Where case is no matter, another spelling may have another inode. It has size and time of the input.
cp -p "in/$TARGET" "in/${TARGET,,}"
expect_exit 5 "$MTPGRAFT" graft --force "in/$TARGET" "in/$DONOR" -o "in/${TARGET,,}"
expect_text "$STDERR" "the output is the input 'in/$TARGET'"
rm "in/${TARGET,,}"
no_leftovers . in linked ${bound:+bound}
