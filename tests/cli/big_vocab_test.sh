#!/usr/bin/env bash
# A file of 30 GB with 250,000 tokens: inspect reads the header in little memory.
. "$(dirname "$0")/common.sh"
python3 "$SOURCE_DIR/tests/support/make_fixtures.py" --models "$MODELS_DIR" -o . big-vocab-30g >/dev/null

for options in '' '--kv --tensors' '--json --kv --tensors'; do
  # shellcheck disable=SC2086  # words
  expect_exit 0 python3 -c 'import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
if peak >= 32 * 1024:
    sys.exit(f"{peak} KiB of memory")
sys.exit(code)' timeout 20 "$MTPGRAFT" inspect $options big-vocab-30g.gguf
  # It is sparse, as a download that is not done.
  expect_stderr <<'END_OF_TEXT'
mtpgraft: warning: 'big-vocab-30g.gguf' has a hole in tensor 'output.weight', from byte 8810496 on: it reads as zeros, as what a download has not fetched yet
END_OF_TEXT
  expect_text "$STDOUT" '30218202752'
done
