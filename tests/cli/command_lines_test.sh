#!/usr/bin/env bash
# Some 400 command lines give what they gave before: exit codes, both streams, and the bytes of every file.
#
# A line may change only where a commit names the fault that it mends, or the feature that it adds. That commit also has
# the new expectation, which is written by
#   tests/support/command_lines.py build/release/mtpgraft >tests/support/command_lines.expected
. "$(dirname "$0")/common.sh"

support=$SOURCE_DIR/tests/support
if ! python3 -B "$support/command_lines.py" "$MTPGRAFT" --compare "$support/command_lines.expected" \
  --sources "$SOURCE_DIR" >"$SCRATCH/differences"; then
  fail "command lines differ"
  cat "$SCRATCH/differences" >&2
  echo "To see more: tests/support/command_lines.py PROGRAM --keep DIR, with the old program and the new; diff -r" >&2
fi
