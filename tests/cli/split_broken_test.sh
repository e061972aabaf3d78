#!/usr/bin/env bash
# What is no whole split model is refused, with the file and the place of what is wrong.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/split.sh"

# refuses CODE ARGUMENT...: with the text of $SCRATCH/message and nothing else.
refuses() {
  local expected=$1
  shift
  expect_exit "$expected" "$MTPGRAFT" "$@"
  expect_nothing_on stdout
  expect_stderr <"$SCRATCH/message"
}

# broken CODE TEXT: on standard input, what breaks a fresh copy of the set, which is then refused.
mkdir broken
broken() {
  rm -f broken/*
  cp split/four-* broken
  (cd broken && . /dev/stdin)
  printf 'mtpgraft: broken/%s\n' "$2" >"$SCRATCH/message"
  refuses "$1" inspect "broken/$FOUR"
}

hint='  hint: the files of a split model stand in one directory, named as they were made'
SECOND=$(shard four-Q4_K_M 2 4)
at() { python3 -c 'import sys; print(open(sys.argv[1], "rb").read(100000).index(sys.argv[2].encode()) - 8)' "$@"; }
broken 4 "$SECOND: shard 2 of 4: cannot open: No such file or directory
$hint" <<<"rm $SECOND"
# All commands read a model alike.
refuses 4 graft "broken/$FOUR" "$DONOR" -o none.gguf
refuses 4 verify "broken/$FOUR"
refuses 4 checksum "broken/$FOUR"

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
rm -r broken
no_leftovers . "${inputs[@]}"
