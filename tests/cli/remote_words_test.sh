#!/usr/bin/env bash
# Models of the hub are understood as people paste them.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/remote.sh"
use_hub
graft hf://lab/Base-GGUF:mtp-Base-Q8_0.gguf
mv out.gguf sidecar.gguf
graft "hf://lab/$BASE"
mv out.gguf checkpoint.gguf
inputs+=(sidecar.gguf checkpoint.gguf)

for word in "hf.co/lab/$BASE" "huggingface.co/lab/$BASE" "www.huggingface.co/lab/$BASE/" "HuggingFace.co/lab/$BASE" \
  "https://hf.co/lab/$BASE" "https://huggingface.co/lab/$BASE/tree/main?not-for-all=1" "hf://huggingface.co/lab/$BASE"; do
  graft "$word"
  expect_same out.gguf checkpoint.gguf
done
for word in hf.co/lab/Base-GGUF:Q8_0 https://huggingface.co/lab/Base-GGUF:q8_0 huggingface.co/lab/Base-GGUF@v1.0:Q8_0 \
  hf.co/lab/Base-GGUF/blob/main/mtp-Base-Q8_0.gguf hf.co/lab/Base-GGUF/mtp-Base-Q8_0.gguf \
  'https://www.huggingface.co/lab/Base-GGUF/resolve/main/mtp-Base-Q8_0.gguf?download=true' \
  "$ENDPOINT/lab/Base-GGUF:Q8_0" 'hf.co/lab/Base-GGUF?show_file_info=mtp-Base-Q8_0.gguf'; do
  graft "$word"
  expect_same out.gguf sidecar.gguf
done
rm out.gguf
expect_exit 0 "$MTPGRAFT" inspect hf.co/lab/Base-GGUF:Q8_0
expect_text "$STDOUT" '^hf://lab/Base-GGUF/mtp-Base-Q8_0.gguf +qwen35 .* sidecar .*'
expect_exit 0 "$MTPGRAFT" verify sidecar.gguf --target "$TARGET" --donor hf.co/lab/Base-GGUF:Q8_0
cat >plan.json <<END
{"schema_version": 1, "grafts": [{"target": "$TARGET", "donor": "hf.co/lab/Base-GGUF:Q8_0", "output": "out.gguf"}]}
END
inputs+=(plan.json)
expect_exit 0 "$MTPGRAFT" release -n plan.json

# What is no model, with what is meant, and without a question to anybody.
forget_requests
HINT='a model of the Hugging Face Hub is hf://OWNER/NAME.*'
expect_error 2 'hf://datasets/lab/x: names a dataset of the hub, not a model' "$HINT" hf://datasets/lab/x
expect_error 2 'https://huggingface.co/datasets/lab/x: names a dataset of the hub, not a model' "$HINT" \
  'https://huggingface.co/datasets/lab/x?token=secret'
expect_error 2 'https://huggingface.co/spaces/lab/x: names a space of the hub, not a model' "$HINT" hf.co/spaces/lab/x
expect_error 2 'hf://buckets/lab/x: names a bucket of the hub, not a model' "$HINT" hf://buckets/lab/x
expect_error 2 "hf://models/lab/$BASE: has 'models/' before owner and name" "leave it out: hf://lab/$BASE" \
  "hf://models/lab/$BASE"
expect_error 2 'https://huggingface.co/lab: does not name an owner and a model' "$HINT" hf.co/lab
[[ -z $(requests) ]] || fail "the hub was asked: $(requests)"

# A file of such a name on this machine.
mkdir -p hf.co/lab
cp "$MODELS_DIR/$DONOR" hf.co/lab/x.gguf
graft ./hf.co/lab/x.gguf
[[ -z $(requests) ]] || fail "the hub was asked: $(requests)"
expect_exit 4 "$MTPGRAFT" graft -n "$TARGET" hf.co/lab/x.gguf
expect_text "$STDERR" '^mtpgraft: hf://lab/x.gguf: .*'
