#!/usr/bin/env bash
# Files that break the format: every command refuses each with a short message that names file and place. Oddities that
# the format allows are accepted.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" malformed legal

# index.json: "mentions" is what the message should name. One line per file: name, mentions separated by tabs.
list_cases() {
  python3 -c 'import json, sys
for case in json.load(open(sys.argv[1])):
    print(case["file"], *case.get("mentions", []), sep="\t")' "$1"
}

while IFS=$'\t' read -r name mentions; do
  path=malformed/$name
  for command in "inspect $path" "graft $path $DONOR -o out.gguf" "graft $TARGET $path -o out.gguf" \
    "verify $path" "checksum $path"; do
    # shellcheck disable=SC2086
    expect_exit 3 timeout 10 "$MTPGRAFT" $command
    expect_nothing_on stdout
    (($(wc -l <"$STDERR") <= 3)) || fail "more than 3 lines: $last_command"
    grep -Fq "mtpgraft: $path: " "$STDERR" || fail "no file name: $last_command"
    expect_text "$STDERR" 'byte [0-9]+'
  done
  # The message is the same from every command; the last one is still there.
  while read -r -d $'\t' mention; do
    [[ -z $mention ]] || grep -Fq -e "$mention" "$STDERR" || fail "does not mention '$mention': $last_command"
  done <<<"$mentions"$'\t'
  expect_no_control_characters "$STDERR"
done < <(list_cases malformed/index.json)

while IFS=$'\t' read -r name _; do
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
no_leftovers . "$TARGET" "$DONOR" malformed legal cut.gguf
