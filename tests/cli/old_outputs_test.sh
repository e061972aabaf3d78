#!/usr/bin/env bash
# What released versions wrote is still taken: grafts verify and strip back, lists of checksums fit, plans run, and no
# field of JSON is lost. tests/support/old_outputs.py says what is there and how it was made.
. "$(dirname "$0")/common.sh"

for version in "$SOURCE_DIR"/tests/golden/[0-9]*.[0-9]*; do
  python3 -B "$SOURCE_DIR/tests/support/old_outputs.py" check "$MTPGRAFT" "$version" ||
    fail "it does not take what ${version##*/} wrote"
done
