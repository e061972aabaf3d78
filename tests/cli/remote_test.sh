#!/usr/bin/env bash
# A graft of a donor on a server is that of a download, byte for byte but for the record, which has the commit of the
# hub's repository; and only its head is fetched, once.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/remote.sh"
use_hub
use target-align-64.gguf
inputs+=(target-align-64.gguf)

# same_graft DONOR LOCAL [HEADER]: without its record the graft is that from the download, byte for byte, and with it what
# verify makes of the download. Sent are the head, the header if
# it is large, and 1 MiB at most; no bytes for the next run.
same_graft() {
  local donor=$1 local=$2 header=${3:-0} head
  expect_exit 0 "$MTPGRAFT" graft --no-sync --no-record --json "$TARGET" "$local" -o local.gguf
  head=$(json "x['result']['head']['bytes']")
  forget_cache
  forget_requests
  graft "$donor" --no-record
  expect_nothing_on stdout stderr
  expect_same out.gguf local.gguf
  expect_sent $((head + header + 1048576))
  [[ -z ${MTPGRAFT_FIGURES:-} ]] ||
    echo "$(sent) bytes in $(requests | wc -l) answers, $((head + header)) of head and large header: $donor" >&2

  forget_requests
  graft "$donor"
  expect_exit 0 "$MTPGRAFT" verify out.gguf --target "$TARGET" --donor "$donor"
  expect_exit 0 "$MTPGRAFT" verify out.gguf --target "$TARGET" --donor "$local"
  expect_exit 0 "$MTPGRAFT" graft --no-sync -q target-align-64.gguf "$donor" -o other.gguf
  expect_sent 0
  rm local.gguf out.gguf other.gguf
}

# What a donor may be.
same_graft "hf://lab/$BASE" "$LOCAL/$BASE"
same_graft hf://lab/Base-GGUF:Base-MTP-Q8_0.gguf "$LOCAL/Base-GGUF/Base-MTP-Q8_0.gguf"
same_graft hf://lab/Base-GGUF:split/Base-MTP-Q8_0-00001-of-00004.gguf \
  "$LOCAL/Base-GGUF/split/Base-MTP-Q8_0-00001-of-00004.gguf"
same_graft hf://lab/Base-GGUF@v1.0:mtp-Base-Q8_0.gguf "$LOCAL/Base-GGUF/mtp-Base-Q8_0.gguf"
# As people write it.
same_graft hf://lab/One-GGUF "$LOCAL/One-GGUF/mtp-Base-Q8_0.gguf"
same_graft "hf://lab/$BASE@refs/pr/1" "$LOCAL/$BASE"
same_graft hf://lab/Base-GGUF@v1.0/mtp-Base-BF16.gguf "$LOCAL/Base-GGUF/mtp-Base-BF16.gguf"
same_graft 'hf://lab/Base-GGUF:Base-*BF16*.gguf' "$LOCAL/Base-GGUF/Base-MTP-BF16.gguf" 2134688
same_graft "$ENDPOINT/lab/Base-GGUF/blob/main/Base-MTP-BF16.gguf" "$LOCAL/Base-GGUF/Base-MTP-BF16.gguf" 2134688
same_graft "$ENDPOINT/lab/Base-GGUF/resolve/main/mtp-Base-Q8_0.gguf?download=true" "$LOCAL/Base-GGUF/mtp-Base-Q8_0.gguf"
# With TLS and HTTP/2, from a server that is no hub, and from one.
export CURL_CA_BUNDLE=$HUB/ca.pem
same_graft "$TLS_ENDPOINT/lab/Base-GGUF/resolve/main/Base-MTP-Q8_0.gguf" "$LOCAL/Base-GGUF/Base-MTP-Q8_0.gguf"
same_graft "$TLS_ENDPOINT/lab/hf-head/resolve/main/mtp.safetensors" "$MODELS_DIR/hf-base-8L/mtp.safetensors"
forget_requests
graft "$TLS_ENDPOINT/lab/hf-head/resolve/main/mtp.safetensors"
[[ $(requests | grep -c ' 304 0 ') == 2 ]] || fail "more or less than one question for each of two files: $(requests)"
rm out.gguf
HF_ENDPOINT=$TLS_ENDPOINT/ same_graft "hf://lab/$BASE" "$LOCAL/$BASE"
unset CURL_CA_BUNDLE
expect_error 4 "$TLS_ENDPOINT/x.gguf: GET .*: SSL certificate problem: .*" '.*CURL_CA_BUNDLE.*' "$TLS_ENDPOINT/x.gguf"
