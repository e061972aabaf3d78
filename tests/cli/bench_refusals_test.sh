#!/usr/bin/env bash
# What bench refuses before it starts a server: a model without a head, arguments that a measurement sets, outputs that
# are there.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bench.sh"
use "$TARGET" "$DONOR"
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR"
"$MTPGRAFT" extract -q --no-sync "$DONOR" -o head.gguf

# No head.
expect_exit 3 "$MTPGRAFT" bench "$GRAFT" "$TARGET"
expect_text "$STDERR" "$TARGET.*has no head that could draft"
expect_exit 3 "$MTPGRAFT" bench head.gguf
expect_exit 3 "$MTPGRAFT" bench "$GRAFT" --baseline head.gguf
expect_text "$STDERR" 'head.gguf: is a .*, and no model that a server runs'
expect_exit 4 "$MTPGRAFT" bench nothing.gguf
expect_exit 3 "$MTPGRAFT" bench "$MODELS_DIR/README.md"
expect_exit 3 "$MTPGRAFT" bench "$TARGET" --model-draft "$MODELS_DIR/README.md"

# Words behind --.
for words in "-m x" "--model=x" "-hf a/b" "--port 1" "--host 0.0.0.0" "--spec-type draft-mtp" "--spec-draft-n-max=2" \
  "--draft-max 3" "-md x" "-ngld 9" "--device-draft x" "--fim-qwen-7b-spec" "--gpt-oss-20b-default" "-lcs x" "-np 4" "--parallel 4" "--metrics" "--api-key k"; do
  # shellcheck disable=SC2086
  expect_exit 2 "$MTPGRAFT" bench "$GRAFT" -- -ngl 99 $words
  option=${words%% *}
  expect_text "$STDERR" "${option%%=*} cannot be given to the server: "
done
expect_exit 2 "$MTPGRAFT" bench "$GRAFT" -- --spec-type draft-mtp
expect_text "$STDERR" '--depths'

# Requests that contradict themselves.
for words in "" "--url http://127.0.0.1:1 $GRAFT" "--url http://127.0.0.1:1 --depths 1" "--url http://127.0.0.1:1 -- -ngl 9" \
  "--url http://127.0.0.1:1 --min-speedup 1" "--url 127.0.0.1:1" "$GRAFT --depths 0" "$GRAFT --depths 1,1" \
  "$GRAFT --depths 99" "$GRAFT --top-k 5" "$GRAFT --require-same-text --temp 1" "$GRAFT --draft-args x" "$GRAFT --predict 1" "$GRAFT --temp -1" "$GRAFT --top-p 2" "$GRAFT --min-acceptance 90"; do
  # shellcheck disable=SC2086
  expect_exit 2 "$MTPGRAFT" bench $words
done

# Files of prompts.
for text in '' '{}' '[]' '["a", 1]' '[""]' '["\ud800"]' 'a prompt'; do
  echo "$text" >prompts.json
  expect_exit 3 "$MTPGRAFT" bench "$GRAFT" --prompts prompts.json
  expect_text "$STDERR" prompts.json
done

# Outputs: before anything is measured.
echo '["a"]' >prompts.json
echo kept >card.md
expect_exit 5 "$MTPGRAFT" bench "$GRAFT" --card card.md
expect_text "$STDERR" 'hint: use --force to replace it, or give another name'
expect_exit 5 "$MTPGRAFT" bench "$GRAFT" --chart card.md
expect_exit 5 "$MTPGRAFT" bench "$GRAFT" --card "$GRAFT" -f
expect_exit 5 "$MTPGRAFT" bench "$GRAFT" --prompts prompts.json --chart prompts.json -f
expect_exit 4 "$MTPGRAFT" bench "$GRAFT" --card no/card.md
expect_exit 2 "$MTPGRAFT" bench "$GRAFT" --card new.md --chart new.md
[[ $(cat card.md) == kept ]] || fail "the card was changed"
[[ ! -e $FAKE_LOG ]] || fail "a server was started"

# Later files of a split model are left out.
expect_exit 0 "$MTPGRAFT" bench "$GRAFT" --card card.md -f --depths 1 --predict 8
grep -q speed-up card.md || fail "the card was not replaced"
"$MTPGRAFT" graft -q --no-sync --split-head "$TARGET" "$DONOR" -o split.gguf
rm "$FAKE_LOG"
expect_exit 0 "$MTPGRAFT" bench split*.gguf --depths 1 --predict 8
[[ $(wc -l <"$FAKE_LOG") == 3 ]] || fail "the parts of a split model were measured one by one"
