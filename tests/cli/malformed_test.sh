#!/usr/bin/env bash
# Oddities that the format allows are accepted, and files that are cut off are refused, with a hint. What breaks the
# format otherwise is in attacks_test.sh.
. "$(dirname "$0")/common.sh"
use "$TARGET" legal

# One file name per line.
list_cases() {
  python3 -c 'import json, sys
for case in json.load(open(sys.argv[1])):
    print(case["file"])' "$1"
}

while read -r name; do
  expect_exit 0 timeout 10 "$MTPGRAFT" inspect "legal/$name"
  expect_nothing_on stderr
  expect_exit 0 timeout 10 "$MTPGRAFT" inspect --kv --tensors "legal/$name"
  expect_exit 0 timeout 10 "$MTPGRAFT" checksum "legal/$name"
done < <(list_cases legal/index.json)

for path in "$FIXTURES_DIR"/golden/*.gguf; do
  expect_exit 0 timeout 10 "$MTPGRAFT" inspect --kv --tensors "$path"
  expect_nothing_on stderr
done

# A download that broke off, at places in header, infos and data.
size=$(stat -L -c %s "$TARGET")
for length in 1 4 23 24 1000 20000 30000 36415 36416 36417 3000000 $((size - 1)); do
  head -c "$length" "$TARGET" >cut.gguf
  expect_exit 3 timeout 10 "$MTPGRAFT" inspect cut.gguf
  expect_nothing_on stdout
  expect_text "$STDERR" "^mtpgraft: cut.gguf: .*byte"
  expect_text "$STDERR" '^  hint: the file is truncated'
done
no_leftovers . "$TARGET" legal cut.gguf
