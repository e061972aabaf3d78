# shellcheck shell=bash
# Sourced after common.sh by the tests of split models: copies of them, and what the test's names are made of.
use "$TARGET" "$DONOR" split
cp split/*.gguf .

# shellcheck disable=SC2034  # for the tests
FOUR=four-Q4_K_M-00001-of-00004.gguf
# shellcheck disable=SC2034
OUT=four-MTP-Q4_K_M-00001-of-00005.gguf
export MODELS_DIR PYTHONPATH=$SOURCE_DIR/tests/support PYTHONDONTWRITEBYTECODE=1
mapfile -t inputs < <(ls -A)

expect_json() {
  [[ $(json "$1") == True ]] || fail "not true: $1, of: $last_command: $(cat "$STDOUT")"
}

# shard PREFIX NUMBER COUNT
shard() { printf '%s-%05d-of-%05d.gguf' "$@"; }

# edit FILE STATEMENT: changes a file by Python on `f`.
edit() {
  python3 -c 'import os, sys
from gguf_file import *
f = GgufFile.read(sys.argv[1])
exec(sys.argv[2])
f.write(sys.argv[1] + ".new")
os.replace(sys.argv[1] + ".new", sys.argv[1])' "$@"
}

# expect_link hard|own FILE SOURCE
expect_link() {
  local found=own
  [[ $2 -ef $3 ]] && found=hard
  [[ $found == "$1" ]] || fail "$2 is a file of its own, or not, after: $last_command"
}
