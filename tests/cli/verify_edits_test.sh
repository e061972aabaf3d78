#!/usr/bin/env bash
# Keys that somebody set when a graft was made: its own record, which verify believes, must not make them pass unseen.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" mtp-base-8L-BF16.gguf

against=(--target "$TARGET" --donor "$DONOR")

# A poisoned template, of which the beginning is the old one's: what is shown is where they part.
old=$("$MTPGRAFT" inspect --json --kv='tokenizer.chat_template' "$TARGET" |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["result"]["files"][0]["keys"][0]["value"], end="")')
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" --set "tokenizer.chat_template=str:$old{{ poison }}" -o poisoned.gguf
expect_exit 1 "$MTPGRAFT" verify poisoned.gguf "${against[@]}"
expect_text "$STDOUT" "^poisoned.gguf: key 'tokenizer.chat_template' is edited: \"\.\.\..*\" \(149 bytes\) -> \"\.\.\..*\{\{ poison \}\}\" \(161 bytes\)$"
expect_text "$STDOUT" '^poisoned.gguf: FAILED, 7.4 MiB checked$'
expect_text "$STDOUT" '^poisoned.gguf: all else is what target and donor make; --allow-edits accepts '
expect_exit 1 "$MTPGRAFT" verify -q poisoned.gguf "${against[@]}"
expect_text "$STDOUT" "key 'tokenizer.chat_template' is edited"
expect_exit 0 "$MTPGRAFT" verify poisoned.gguf --allow-edits "${against[@]}"
expect_text "$STDOUT" "key 'tokenizer.chat_template' is edited"
expect_text "$STDOUT" '^poisoned.gguf: OK, 7.4 MiB checked$'
# On its own, and where nothing is held against anything, it is listed and no failure.
expect_exit 0 "$MTPGRAFT" verify poisoned.gguf
expect_text "$STDOUT" "key 'tokenizer.chat_template' is edited"
expect_exit 0 "$MTPGRAFT" inspect poisoned.gguf
expect_text "$STDOUT" "^ +key 'tokenizer.chat_template' is edited"
# The weights are right.
expect_exit 0 "$MTPGRAFT" verify poisoned.gguf --tensors-only "${against[@]}"

# In JSON whole, with lengths and digests.
expect_exit 1 "$MTPGRAFT" verify --json poisoned.gguf "${against[@]}"
[[ $(json 'x["ok"], [(e["key"], e["to"]["value"][-12:], e["from"]["bytes"], e["to"]["bytes"], e["to"]["is_complete"], len(e["to"]["xxh128"])) for e in x["result"]["edits"]], len(x["result"]["findings"])') == \
  "(False, [('tokenizer.chat_template', '{{ poison }}', 149, 161, True, 32)], 1)" ]] || fail "other JSON: $(cat "$STDOUT")"
expect_exit 0 "$MTPGRAFT" verify --json --allow-edits poisoned.gguf "${against[@]}"
[[ $(json 'x["ok"], len(x["result"]["edits"]), x["result"]["findings"], x["result"]["head_type"], x["result"]["norm_offset"]') == \
  "(True, 1, [], None, None)" ]] || fail "other JSON: $(cat "$STDOUT")"
expect_exit 0 "$MTPGRAFT" verify --json poisoned.gguf
[[ $(json '[e["key"] for e in x["result"]["edits"]]') == "['tokenizer.chat_template']" ]] || fail "no edit"
expect_exit 0 "$MTPGRAFT" inspect --json poisoned.gguf
[[ $(json '[e["key"] for e in x["result"]["files"][0]["mtp"]["edits"]]') == "['tokenizer.chat_template']" ]] || fail "no edit"

# Every kind of edit: another value, a new key, one taken out, one in another place, --yarn. What the head itself changes
# is none.
"$MTPGRAFT" graft --no-sync "$TARGET" "$DONOR" --yarn 4 --set new.key=u32:7 --unset tokenizer.chat_template \
  --set general.name=str:New --unset general.type --set general.type=str:model -o all.gguf >"$SCRATCH/said"
expect_text "$SCRATCH/said" "^  mtpgraft verify all.gguf --target $TARGET --donor $DONOR --allow-edits$"
expect_exit 0 "$MTPGRAFT" verify all.gguf --allow-edits "${against[@]}"
for mode in "${against[*]}" ''; do
  # shellcheck disable=SC2086
  run "$MTPGRAFT" verify --json all.gguf $mode
  [[ $(json 'sorted((e["key"], (e["from"] or {}).get("value", "none")[:5] if isinstance((e["from"] or {}).get("value", "none"), str) else e["from"]["value"], (e["to"] or {}).get("value")) for e in x["result"]["edits"])') == \
    "[('general.name', 'tiny-', 'New'), ('general.type', 'model', 'model'), ('new.key', 'none', 7), ('qwen35.context_length', 4096, 16384), ('qwen35.rope.scaling.factor', 'none', 4.0), ('qwen35.rope.scaling.original_context_length', 'none', 4096), ('qwen35.rope.scaling.type', 'none', 'yarn'), ('tokenizer.chat_template', '{% fo', None)]" ]] ||
    fail "other edits ($mode): $(json 'x["result"]["edits"]')"
done

# An edit that changes nothing is none; without any, nothing is said, and the printed command has no --allow-edits.
"$MTPGRAFT" graft --no-sync "$TARGET" "$DONOR" --set general.name=str:tiny-qwen35-target-12L -o same.gguf >"$SCRATCH/said"
expect_text "$SCRATCH/said" "^  mtpgraft verify same.gguf --target $TARGET --donor $DONOR$"
expect_exit 0 "$MTPGRAFT" verify same.gguf "${against[@]}"
expect_stdout <<<'same.gguf: OK, 7.4 MiB checked'

# Edits of an earlier graft that another head was put into are the target's by then, and the record's alone.
"$MTPGRAFT" graft -q --no-sync --replace poisoned.gguf mtp-base-8L-BF16.gguf -o again.gguf
expect_exit 0 "$MTPGRAFT" verify again.gguf --target poisoned.gguf --donor mtp-base-8L-BF16.gguf
expect_exit 1 "$MTPGRAFT" verify again.gguf --target "$TARGET" --donor mtp-base-8L-BF16.gguf
expect_text "$STDOUT" "key 'tokenizer.chat_template' differs: it is .*poison.*, in the graft "
expect_exit 0 "$MTPGRAFT" verify again.gguf
expect_text "$STDOUT" "key 'tokenizer.chat_template' is edited"

# How the donor was read is listed, and no failure.
"$MTPGRAFT" graft -q --no-sync "$TARGET" mtp-base-8L-BF16.gguf --head-type q8_0 -o typed.gguf
expect_exit 0 "$MTPGRAFT" verify typed.gguf --target "$TARGET" --donor mtp-base-8L-BF16.gguf
expect_text "$STDOUT" '^typed.gguf: the head was converted to Q8_0$'
expect_exit 0 "$MTPGRAFT" verify --json typed.gguf --target "$TARGET" --donor mtp-base-8L-BF16.gguf
[[ $(json 'x["result"]["head_type"]') == Q8_0 ]] || fail "another type: $(cat "$STDOUT")"

# The options are for a comparison.
for option in --allow-edits --tensors-only; do
  expect_exit 2 "$MTPGRAFT" verify poisoned.gguf $option
done
