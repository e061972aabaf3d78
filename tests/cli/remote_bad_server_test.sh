#!/usr/bin/env bash
# What a server says wrongly is an error with a hint, and leaves neither an output nor a wrong byte in the cache.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/remote.sh"

mkdir "$SCRATCH/bad"
cp "$MODELS_DIR/$DONOR" "$SCRATCH/bad/x.gguf"
coproc bad { exec python3 -BIS "$SOURCE_DIR/tests/support/bad_server.py" "$SCRATCH/bad" "$SCRATCH/bad.log"; }
# shellcheck disable=SC2154  # coproc sets it
read -r port _ <&"${bad[0]}"

# expect_bad BEHAVIOUR MESSAGE [HINT]: one of those of bad_server.py; the others are in http_client_test.cc.
expect_bad() {
  expect_error 4 "http://127.0.0.1:$port/$1/x.gguf: GET .*: $2" "${3:-download the file by other means, and name that}" \
    "http://127.0.0.1:$port/$1/x.gguf"
  [[ ! -e $CACHE ]] || expect_sound_cache "$SCRATCH/bad"
}
expect_bad no-ranges 'the server answered 200, not 206: it does not serve ranges'
expect_bad changes 'the file changed on the server while it was read: it was "first", and is "second"' 'try again'
expect_bad changes-half-way 'the file changed on the server .*' 'try again'
expect_bad to-other-host 'redirected to http://192.0.2.1/model.gguf: http is neither .*' 'use https, or --allow-http.*'

# It goes on from where it stalled.
HF_HUB_DOWNLOAD_TIMEOUT=1 graft "http://127.0.0.1:$port/stalls-once/x.gguf"
expect_sound_cache "$SCRATCH/bad"
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$SCRATCH/bad/x.gguf" -o local.gguf
expect_same out.gguf local.gguf
