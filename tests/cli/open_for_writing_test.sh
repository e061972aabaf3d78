#!/usr/bin/env bash
# An input that another program has open for writing, or mapped so, is warned of: what is written by a mapping that was
# there before changes neither size nor time. It is never a reason to refuse, but for --strict.
. "$(dirname "$0")/common.sh"
! is_plain_posix || skip_all "plain POSIX does not tell whether a file is open for writing"
use "$DONOR"
cp "$MODELS_DIR/$TARGET" .

# with_writer HOW COMMAND...: runs it while another program has the target open.
with_writer() {
  local how=$1
  shift
  expect_exit "$1" python3 - "$how" "$TARGET" "${@:2}" <<'PYTHON'
import mmap, subprocess, sys
how, path, *command = sys.argv[1:]
file = open(path, "rb" if how == "read" else "r+b")
if how == "map":
    memory = mmap.mmap(file.fileno(), 0)
    file.close()
sys.exit(subprocess.run(command).returncode)
PYTHON
}
warning="^mtpgraft: warning: '$TARGET' is open for writing in another program"

with_writer read 0 "$MTPGRAFT" graft --no-sync "$TARGET" "$DONOR" -o out.gguf
expect_nothing_on stderr
for how in write map; do
  rm -f out.gguf
  with_writer "$how" 0 "$MTPGRAFT" graft --no-sync "$TARGET" "$DONOR" -o out.gguf
  expect_text "$STDERR" "$warning"
  with_writer "$how" 0 "$MTPGRAFT" inspect "$TARGET"
  expect_text "$STDERR" "$warning"
  rm -f out.gguf
  with_writer "$how" 3 "$MTPGRAFT" graft --strict "$TARGET" "$DONOR" -o out.gguf
  no_leftovers . "$TARGET" "$DONOR"
done
