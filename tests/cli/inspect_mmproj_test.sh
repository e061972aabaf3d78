#!/usr/bin/env bash
# inspect --mmproj: whether a projector goes with a model, whatever becomes of the model's head.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" target-placeholder.gguf head-only-base-8L-BF16.gguf mmproj-256.gguf mmproj-512.gguf
"$MTPGRAFT" graft -q "$TARGET" "$DONOR"

# expect_row CODE PROJECTOR FILE ROW: the whole answer is that without --mmproj, and this row.
expect_row() {
  expect_exit "$1" "$MTPGRAFT" inspect --mmproj "$2" "$3"
  expect_nothing_on stderr
  expect_text "$STDOUT" "^  mmproj     $2: $4\$"
  diff <(grep -v '^  mmproj ' "$STDOUT") <("$MTPGRAFT" inspect "$3") >&2 || fail "more than a row is added: $last_command"
}

for model in "$TARGET" "$GRAFT" target-placeholder.gguf; do
  expect_row 0 mmproj-256.gguf "$model" 'qwen3vl_merger, 64 -> 256 wide, fits'
  expect_row 3 mmproj-512.gguf "$model" 'qwen3vl_merger, does not fit: projects to 512, embedding_length is 256'
done
expect_row 3 mmproj-256.gguf head-only-base-8L-BF16.gguf \
  "qwen3vl_merger, cannot tell whether it fits: the target has no key 'qwen35.embedding_length'"

# Each of several files is checked, and one that it does not fit decides.
expect_exit 0 "$MTPGRAFT" inspect "$TARGET" "$GRAFT" --mmproj mmproj-256.gguf
[[ $(grep -c 'fits$' "$STDOUT") == 2 ]] || fail "not both were checked: $last_command"
expect_exit 3 "$MTPGRAFT" inspect head-only-base-8L-BF16.gguf "$GRAFT" --mmproj mmproj-256.gguf
expect_text "$STDOUT" 'fits$'

# expect_json CODE PROJECTOR FILE OK MMPROJ
expect_json() {
  expect_exit "$1" "$MTPGRAFT" inspect --json --mmproj "$2" "$3"
  [[ $(json '[x["ok"], "error" in x, x["result"]["files"][0]["mmproj"]]') == "[$4, False, $5]" ]] ||
    fail "$(json 'x["result"]["files"][0]["mmproj"]'): $last_command"
}
expect_json 0 mmproj-256.gguf "$GRAFT" True \
  "{'path': 'mmproj-256.gguf', 'projector_type': 'qwen3vl_merger', 'projection_width': 256, 'embedding_length': 256, 'fits': True, 'reason': None}"
expect_json 3 mmproj-512.gguf "$GRAFT" False \
  "{'path': 'mmproj-512.gguf', 'projector_type': 'qwen3vl_merger', 'projection_width': 512, 'embedding_length': 256, 'fits': False, 'reason': 'projects to 512, embedding_length is 256'}"
expect_exit 3 "$MTPGRAFT" inspect --json --mmproj mmproj-256.gguf head-only-base-8L-BF16.gguf
[[ $(json 'x["result"]["files"][0]["mmproj"]["fits"]') == None ]] || fail "fits is not null: $last_command"
expect_exit 0 "$MTPGRAFT" inspect --json "$GRAFT"
[[ $(json '"mmproj" in x["result"]["files"][0]') == False ]] || fail "mmproj was not asked for: $last_command"

# What is no projector.
expect_exit 3 "$MTPGRAFT" inspect "$TARGET" --mmproj "$DONOR"
expect_nothing_on stdout
expect_stderr <<'END'
mtpgraft: mtp-base-8L-Q8_0.gguf: not a projector: it has no clip.* keys; it is a qwen35 MTP head
  hint: projectors are called mmproj-*.gguf, and come with the model's GGUF
END
expect_exit 4 "$MTPGRAFT" inspect "$TARGET" --mmproj missing.gguf
expect_nothing_on stdout
