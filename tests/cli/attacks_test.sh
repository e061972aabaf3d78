#!/usr/bin/env bash
# The corpus of hostile files, with every message as docs/attacks.md has it.
. "$(dirname "$0")/common.sh"
ldconfig -p | grep libxxhash.so.0 >/dev/null || skip_all "no libxxhash.so.0 to sign records with"
last_command="attacks.py"
"$TEST_DIR/attacks.py" "$MTPGRAFT" --table >table || fail "runs that ended badly"
diff -u --label docs/attacks.md --label "attacks.py --table" "$SOURCE_DIR/docs/attacks.md" table >&2 ||
  fail "docs/attacks.md is not what the program says"
