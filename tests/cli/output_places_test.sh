#!/usr/bin/env bash
# Places where an output cannot be, or belongs to others: a refusal or an error that names it, nothing written, no file of
# anybody else touched.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
use "$TARGET" "$DONOR"
cp "$FIXTURES_DIR/split/"four-* .
FOUR=four-Q4_K_M-00001-of-00004.gguf
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o "$GRAFT"
"$MTPGRAFT" checksum "$GRAFT" >graft.sums
mkdir place

# What is no file to write, in every role of an output, with --force and without.
mkfifo place/pipe
mkdir place/directory
ln -s nowhere place/dangling
touch place/file
ln -s file place/link
mkdir place/x-00001-of-00002.gguf
names=(pipe directory dangling file link x-00001-of-00002.gguf)
# refused CODE PATTERN PATH
refused() {
  local command
  for command in "graft $TARGET $DONOR -o" "graft $TARGET $DONOR -o place/none.gguf --checksums" "strip $GRAFT -o" \
    "extract $GRAFT -o"; do
    # shellcheck disable=SC2086  # several words
    expect_exit "$1" timeout 20 "$MTPGRAFT" $command "$3" --force
    expect_nothing_on stdout
    expect_text "$STDERR" "^mtpgraft: $3: $2\$"
  done
  no_leftovers place "${names[@]}"
}
long=$(printf 'n%.0s' {1..256})
refused 5 'the output exists and is not a regular file' place/pipe
refused 5 'the output exists and is not a regular file' /dev/null
refused 5 'the output exists and is not a regular file' /dev/full
refused 5 'the output is a directory' place/directory
refused 5 'the output is a directory' place/directory/
refused 4 "the directory 'place/none' does not exist" place/none/x.gguf
refused 4 "the directory 'place/dangling' does not exist" place/dangling/x.gguf
refused 4 'cannot look at the output: Not a directory' place/file/x.gguf
refused 4 'cannot look at the output: File name too long' "place/$long"
# Of a split model too.
expect_exit 5 "$MTPGRAFT" graft --split-head --force "$TARGET" "$DONOR" -o place/x.gguf
expect_text "$STDERR" '^mtpgraft: place/x-00001-of-00002.gguf: the output is a directory$'
no_leftovers place "${names[@]}"
# Lists that are none.
for list in /dev/zero /dev/full; do
  expect_exit 3 timeout 20 "$MTPGRAFT" verify "$GRAFT" -c $list
  expect_stderr <<END
mtpgraft: $list: has more than 16777216 bytes, too many for a list
  hint: name a list that 'mtpgraft checksum' wrote
END
done
expect_exit 3 "$MTPGRAFT" verify "$GRAFT" -c /dev/null
expect_exit 4 "$MTPGRAFT" verify "$GRAFT" -c place/directory
# The list and the output would have one name, the last where upper case is no other than lower case.
ln -s place linked
for list in ./place/y.gguf linked/y.gguf "$WORK/place/y.gguf" place/Y.gguf; do
  expect_exit 5 "$MTPGRAFT" graft --force "$TARGET" "$DONOR" -o place/y.gguf --checksums "$list"
  expect_text "$STDERR" ': is the output too$'
done
if [[ $(id -u) == 0 ]] && mkdir bound && mount --bind place bound 2>/dev/null; then
  expect_exit 5 "$MTPGRAFT" graft --force "$TARGET" "$DONOR" -o place/y.gguf --checksums bound/y.gguf
  expect_text "$STDERR" '^mtpgraft: bound/y.gguf: is the output too$'
  umount bound
fi
no_leftovers place "${names[@]}"

# --force replaces a link, not the file that it leads to.
echo precious >place/file
expect_exit 0 "$MTPGRAFT" graft -q --force "$TARGET" "$DONOR" -o place/link --checksums place/dangling
[[ ! -L place/link && ! -L place/dangling && $(cat place/file) == precious && ! -e place/nowhere ]] ||
  fail "--force wrote through a link"
expect_same place/link "$GRAFT"
expect_same place/dangling graft.sums
rm -r place

# A file system that is read-only.
if mount_fs ext4; then
  cp -L "$TARGET" ext4
  mount -o remount,ro ext4
  expect_exit 4 "$MTPGRAFT" graft "$TARGET" "$DONOR" -o ext4/x.gguf
  expect_stderr <<'END'
mtpgraft: ext4/x.gguf: cannot create: Read-only file system
  hint: mount the file system for writing, or write to another disk with -o
END
  expect_exit 4 "$MTPGRAFT" graft "$FOUR" "$DONOR" -o ext4/x.gguf
  expect_text "$STDERR" '^mtpgraft: ext4/x-0000.-of-00005.gguf: cannot .*: Read-only file system$'
  if ! is_plain_posix; then
    expect_exit 4 "$MTPGRAFT" graft --in-place "ext4/$TARGET" "$DONOR"
    expect_stderr <<END
mtpgraft: ext4/$TARGET: cannot open for writing: Read-only file system
  hint: mount the file system for writing, or leave out --in-place
END
  fi
  mount -o remount,rw ext4
  no_leftovers ext4 "$TARGET" lost+found
fi

# The rest is about users. /tmp is the model: everybody may make files in it, and delete only their own.
if [[ $(id -u) != 0 ]]; then
  lack "other users: only root can be them"
  exit 0
fi
as() { setpriv --reuid="$1" --regid="$1" --clear-groups "${@:2}"; }
nobody=65534 other=65533
chmod 711 "$SCRATCH"
chmod 755 .
cp -L "$MTPGRAFT" "$SCRATCH/mtpgraft"
cp --remove-destination -L "$MODELS_DIR/$TARGET" "$MODELS_DIR/$DONOR" .
MTPGRAFT=$SCRATCH/mtpgraft
if ! as $nobody test -x "$MTPGRAFT"; then
  lack "other users cannot run the program"
  exit 0
fi
as_nobody() { expect_exit "$1" as $nobody "$MTPGRAFT" "${@:2}"; }
mkdir place
as_nobody 4 graft "$TARGET" "$DONOR" -o place/x.gguf
expect_stderr <<'END'
mtpgraft: place/x.gguf: cannot create: Permission denied
  hint: you may not write to 'place': ask its owner, or root, or give another name with -o
END
chmod 700 place
as_nobody 4 graft "$TARGET" "$DONOR" -o place/x.gguf
expect_stderr <<'END'
mtpgraft: place/x.gguf: cannot look at the output: Permission denied
  hint: you may not look into 'place': ask its owner, or root, or give another name with -o
END
chmod 311 place
chown $nobody place
as_nobody 0 graft -q "$TARGET" "$DONOR" -o place/x.gguf
as_nobody 0 graft -q --force "$TARGET" "$DONOR" -o place/x.gguf
as_nobody 0 graft -q "$FOUR" "$DONOR" -o place/y.gguf
expect_same place/x.gguf "$GRAFT"
expect_exit 0 "$MTPGRAFT" verify -q place/y-00001-of-00005.gguf --target "$FOUR" --donor "$DONOR"
rm -r place

mkdir -m 1777 place
echo precious >precious
chmod 666 precious
# What another user has planted: links to a file of ours, to an input, to nothing, and by the names of what is hidden.
plant() { as $other ln -s "$1" "place/$2"; }
plant "$WORK/precious" x.gguf
plant "$WORK/$TARGET" input.gguf
plant "$WORK/made" nothing.gguf
plant "$WORK/precious" x.sums
plant "$WORK/precious" set-00001-of-00005.gguf
plant "$WORK/precious" late-00004-of-00005.gguf
planted=(x.gguf input.gguf nothing.gguf x.sums set-00001-of-00005.gguf late-00004-of-00005.gguf)
expect_untouched() {
  local name
  [[ $(cat precious) == precious && ! -e made ]] || fail "a link was followed: $last_command"
  for name in "${planted[@]}"; do
    [[ -L place/$name ]] || fail "$name is no link any more: $last_command"
  done
  no_leftovers place "${planted[@]}"
}
for user in 0 $nobody; do
  for arguments in "$TARGET $DONOR -o place/x.gguf" "$TARGET $DONOR -o place/nothing.gguf" \
    "$TARGET $DONOR -o place/y.gguf --checksums place/x.sums" "$FOUR $DONOR -o place/set.gguf" \
    "$FOUR $DONOR -o place/late.gguf"; do
    # shellcheck disable=SC2086
    expect_exit 5 as $user "$MTPGRAFT" graft $arguments
    expect_untouched
  done
  expect_exit 5 as $user "$MTPGRAFT" graft --force "$TARGET" "$DONOR" -o place/input.gguf
  expect_text "$STDERR" "^mtpgraft: place/input.gguf: the output is the input '$TARGET'\$"
  expect_untouched
done
# The directory's rule is stronger than --force.
for arguments in "$TARGET $DONOR -o place/x.gguf" "$TARGET $DONOR -o place/nothing.gguf" \
  "$FOUR $DONOR -o place/set.gguf" "$FOUR $DONOR -o place/late.gguf"; do
  # shellcheck disable=SC2086
  as_nobody 4 graft --force $arguments
  expect_text "$STDERR" '^mtpgraft: place/[a-z]+[-0-9of]*\.gguf: cannot (create|remove): Operation not permitted$'
  expect_untouched
done
# Who may replace the link does not follow it.
expect_exit 0 "$MTPGRAFT" graft -q --force "$TARGET" "$DONOR" -o place/x.gguf --checksums place/x.sums
[[ ! -L place/x.gguf && ! -L place/x.sums ]] || fail "--force wrote through a planted link"
rm place/x.gguf place/x.sums
planted=("${planted[@]:1:2}" "${planted[@]:4}")
expect_untouched

! is_plain_posix || exit 0
# A journal that another user has planted would have recover write any bytes.
cp -L "$TARGET" place/target.gguf
planted+=(target.gguf target.gguf.mtpgraft-journal)
as $other bash -c 'head -c 200000 /dev/zero >place/target.gguf.mtpgraft-journal'
expect_exit 5 "$MTPGRAFT" recover place/target.gguf
expect_text "$STDERR" 'target.gguf.mtpgraft-journal: the journal belongs to another user than the file$'
rm place/*-journal
as $other ln -s "$WORK/precious" place/target.gguf.mtpgraft-journal
expect_exit 4 "$MTPGRAFT" recover place/target.gguf
expect_text "$STDERR" 'target.gguf.mtpgraft-journal: cannot open: Too many levels of symbolic links$'
rm place/*-journal
as $other mkfifo place/target.gguf.mtpgraft-journal
expect_exit 5 timeout 20 "$MTPGRAFT" recover place/target.gguf
expect_same place/target.gguf "$TARGET"
[[ $(cat precious) == precious ]] || fail "a planted journal was followed"
