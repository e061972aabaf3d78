#!/usr/bin/env bash
# Every command refuses a file whose change in place was interrupted, whichever part it is to play, and names recover.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/in_place.sh"
"$MTPGRAFT" checksum reference.gguf >reference.sums
mkdir links

refused_on() {
  local target=$1/$TARGET before arguments
  fresh "$1"
  leave_journal "$target" "$1/$DONOR"
  before=$(sha256sum "$target" "$target.mtpgraft-journal")
  ln -sfn "../$target" "links/$TARGET"
  for arguments in "inspect $target" "inspect --json $target" "inspect links/$TARGET" "checksum $target" \
    "verify $target" "verify $target -c reference.sums" "verify reference.gguf --target $target --donor $DONOR" \
    "verify reference.gguf --target $TARGET --donor $target" "graft $target $DONOR -o out.gguf" \
    "graft -n $target $DONOR -o out.gguf" "graft $TARGET $target -o out.gguf" "graft $TARGET $DONOR -f -o $target" \
    "graft --in-place $target $DONOR" "graft --in-place links/$TARGET $DONOR" "graft --in-place -n $target $DONOR"; do
    # shellcheck disable=SC2086
    expect_exit 5 "$MTPGRAFT" $arguments
    if [[ $arguments == *--json* ]]; then
      expect_json "x['error']['hint'].startswith('if none is running: mtpgraft recover ')"
    else
      expect_nothing_on stdout
      expect_text "$STDERR" '^mtpgraft: .*: an in-place change of this file is running or was interrupted$'
      expect_text "$STDERR" '^  hint: if none is running: mtpgraft recover .*gguf$'
    fi
  done
  [[ $(sha256sum "$target" "$target.mtpgraft-journal") == "$before" ]] || fail "a refusing command has changed something"
  [[ ! -e out.gguf ]] || fail "a refusing command has written an output"
}
where_blocks_are_inserted refused_on
