#!/usr/bin/env bash
# What --help tells is in README.md, the man page and the schemas, and nothing else is.
. "$(dirname "$0")/common.sh"

python3 -B "$SOURCE_DIR/tests/support/check_contracts.py" "$MTPGRAFT" "$SOURCE_DIR" >&2 || fail "see above"

# man(1) and mandoc(1) have nothing to complain of.
page=$SOURCE_DIR/docs/mtpgraft.1
if command -v mandoc >/dev/null; then
  expect_exit 0 mandoc -T lint -W warning "$page"
  expect_nothing_on stdout stderr
fi
if command -v groff >/dev/null; then
  expect_exit 0 groff -mandoc -Tutf8 -ww -z "$page"
  expect_nothing_on stdout stderr
fi
