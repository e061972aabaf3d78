#!/usr/bin/env bash
# release --bench: what bench measured of the outputs goes into the text for the model card.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bench.sh"
. "$(dirname "$0")/release.sh"
make_release .
"$MTPGRAFT" release -q --no-sync PLAN.json
"$MTPGRAFT" bench --json --depths 1 --predict 8 out/Tiny-MTP-Q4_K_M.gguf out/Tiny-MTP-Q6_K.gguf >bench.json

# Below the table, in the order of the plan; the card of a single model, one heading.
expect_exit 0 "$MTPGRAFT" release -q --no-sync PLAN.json
expect_exit 0 "$MTPGRAFT" release --no-sync PLAN.json
cp "$STDOUT" without
expect_exit 0 "$MTPGRAFT" release --no-sync PLAN.json --bench bench.json
expect_text "$STDERR" 'bench\.json: nothing was measured of .*Tiny-MTP-Q5_K_M\.gguf'
head -n "$(wc -l <without)" "$STDOUT" | cmp - without || fail "the table is another one"
[[ $(grep -E '^(#|`|\|)' <(tail -n +"$(($(wc -l <without) + 1))" "$STDOUT")) == "## Speculative decoding with the MTP head
\`Tiny-MTP-Q6_K.gguf\`
| tokens drafted | acceptance | by position | tokens per step | tokens/s | speed-up |
|---|---|---|---|---|---|
| none | - | - | 1.00 | 44.0 | 1 |
| **1** | 1.000 | 1.000 | 2.00 | 57.2 | 1.30 (1.30 to 1.30) |
\`Tiny-MTP-Q4_K_M.gguf\`
| tokens drafted | acceptance | by position | tokens per step | tokens/s | speed-up |
|---|---|---|---|---|---|
| none | - | - | 1.00 | 44.0 | 1 |
| **1** | 1.000 | 1.000 | 2.00 | 57.2 | 1.30 (1.30 to 1.30) |" ]] || fail "other figures: $(cat "$STDOUT")"
expect_exit 0 "$MTPGRAFT" release --json --no-sync PLAN.json --bench bench.json
[[ $(json '[("1.30" in g["bench_card"]) if g["bench_card"] else None for g in x["result"]["grafts"]]') == '[True, None, True]' ]] ||
  fail "other cards"

# What is no measurement is refused before anything is written.
rm -r out
for text in '' '[]' '{}' '{"schema_version":1,"command":"graft","result":{}}' '{"schema_version":2,"command":"bench"}' \
  '{"schema_version":1,"command":"bench","result":{"models":[]}}' \
  '{"schema_version":1,"command":"bench","result":{"models":[1]}}' '{"schema_version":1,"command":"bench","result":7}' \
  '{"schema_version":1,"command":"bench","result":[]}' \
  '{"schema_version":1,"command":"bench","result":{"models":[{"model":"a","complete":true,"card":"x"},{"model":"b/a","complete":true,"card":"x"}]}}'; do
  echo "$text" >bad.json
  expect_exit 3 "$MTPGRAFT" release --no-sync PLAN.json --bench bad.json
  expect_text "$STDERR" 'bad\.json'
done
expect_exit 4 "$MTPGRAFT" release --no-sync PLAN.json --bench nothing.json
[[ ! -e out ]] || fail "something was written"
