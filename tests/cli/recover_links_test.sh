#!/usr/bin/env bash
# recover puts back a file with the name of a digest, too, as an older version may have been stopped there. A link to
# the file is refused, and every command names the file itself.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/in_place.sh"
digest=$(sha256sum <"$TARGET" | cut -d' ' -f1)

recover_on() {
  local fs=$1 blob=$1/blobs/$digest real command
  fresh "$fs"
  mkdir "$fs/blobs" "$fs/snapshots"
  leave_journal "$fs/$TARGET" "$fs/$DONOR"
  mv "$fs/$TARGET" "$blob"
  mv "$fs/$TARGET.mtpgraft-journal" "$blob.mtpgraft-journal"
  ln -s "../blobs/$digest" "$fs/snapshots/Model.gguf"
  real=$(realpath "$blob")
  for command in "inspect LINK" "graft --in-place LINK $fs/$DONOR" "graft LINK $fs/$DONOR" "strip --in-place LINK" \
    "verify LINK"; do
    # shellcheck disable=SC2086
    expect_exit 5 "$MTPGRAFT" ${command/LINK/$fs/snapshots/Model.gguf}
    expect_text "$STDERR" "^  hint: if none is running: mtpgraft recover $real\$"
  done
  expect_exit 5 "$MTPGRAFT" recover "$fs/snapshots/Model.gguf"
  expect_text "$STDERR" "^  hint: if that is meant, name the file itself: $real\$"
  [[ -e $blob.mtpgraft-journal ]] || fail "the journal is gone"
  expect_exit 0 "$MTPGRAFT" recover "$real"
  expect_text "$STDOUT" ': rolled back: it is what it was before the graft$'
  expect_unchanged "$blob"
}
where_blocks_are_inserted recover_on
