#!/usr/bin/env bash
# A head that the index does not name is found in the files beside it, on the hub as on disk, at no cost where the index
# has the head.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/remote.sh"
use_hub
tensors() { "$MTPGRAFT" checksum "$1" | grep -v '(metadata'; }
graft "$LOCAL/$BASE"
tensors out.gguf >reference.sums
[[ -s reference.sums ]] || fail "no checksums of tensors"

# finds REPOSITORY NOTE: its head is that of $BASE, from the hub and from a download.
finds() {
  local donor
  for donor in "hf://lab/$1" "$LOCAL/$1"; do
    rm -f out.gguf
    expect_exit 0 "$MTPGRAFT" graft --json --no-sync "$TARGET" "$donor" -o out.gguf
    [[ $(json "x['result']['donor_notes'][0]") == "$2" ]] || fail "no note '$2': $last_command: $(cat "$STDOUT")"
    diff -q <(tensors out.gguf) reference.sums || fail "other tensors: $last_command"
  done
}
forget_requests
finds hf-beside 'the head is in mtp.safetensors; model.safetensors.index.json has none'
! requests | grep -F '._' || fail "a file of macOS was read: $last_command"
expect_sent 3000000
finds hf-own-index \
  'the head is in model-mtp-00001-of-00002.safetensors and model-mtp-00002-of-00002.safetensors; model.safetensors.index.json has none'
finds hf-no-index 'the head is in head.safetensors; the folder has no index'
expect_exit 0 "$MTPGRAFT" inspect hf://lab/hf-no-index
expect_text "$STDOUT" '.*the head is in head.safetensors; the folder has no index.*'

rm out.gguf
inputs+=(reference.sums)

# A file that only its own index knows of, and that is not there, is named.
expect_error 4 "hf://lab/hf-own-index-cut: has no file 'model-mtp-00002-of-00002.safetensors' .*" '' \
  hf://lab/hf-own-index-cut
expect_error 4 "$LOCAL/hf-own-index-cut/model-mtp-00002-of-00002.safetensors: cannot open: .*" \
  'the checkpoint is not complete; download this file too' "$LOCAL/hf-own-index-cut"
expect_error 4 'hf://lab/hf-adapter: is a folder with a LoRA adapter \(PEFT\)' '.*' hf://lab/hf-adapter

# A commit of which the Hugging Face cache has all but the file with the head.
commit=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["sha"])' \
  <"$HUB/www/api/models/lab/hf-beside/revision/main")
python3 -B "$SOURCE_DIR/tests/support/make_hub_cache.py" "$LOCAL/hf-beside" "$XDG_CACHE_HOME/huggingface/hub" \
  lab/hf-beside "$commit" config.json model.safetensors.index.json model-00001-of-00001.safetensors
forget_cache
HF_HUB_OFFLINE=1 expect_error 3 'hf://lab/hf-beside: config.json declares a head .*' '' hf://lab/hf-beside
graft "hf://lab/hf-beside@$commit"
rm -r out.gguf "$XDG_CACHE_HOME/huggingface"

# Where the index has the head nothing but what it names is asked for.
forget_cache
forget_requests
"$MTPGRAFT" graft -q -n "$TARGET" "hf://lab/$BASE" >/dev/null || fail "exit code $?: graft -n hf://lab/$BASE"
diff <(requests | awk '/^hub / && !/resolve-cache/ {sub(/[?].*/, "", $4); sub(/.*\//, "", $4); print $4}') - <<'END' >&2 ||
main
config.json
model.safetensors.index.json
model-00002-of-00004.safetensors
model-00003-of-00004.safetensors
END
  fail "other requests: $(requests)"
