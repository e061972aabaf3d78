#!/usr/bin/env bash
# Whether a script should run a command again is told by `retryable`, also where it ends with the same exit code. That
# hints and statuses agree with it is checked of every answer, by validate_json.py.
. "$(dirname "$0")/common.sh"
use "$DONOR" malformed
cp "$MODELS_DIR/$TARGET" model.gguf

# expect_retryable CODE RETRYABLE STATUS COMMAND ARGUMENT...: the error has these two fields.
expect_retryable() {
  expect_exit "$1" "$MTPGRAFT" "${@:4}" --json
  [[ $(json "x['error']['retryable'], x['error']['http_status']") == "($2, $3)" ]] ||
    fail "other than retryable $2, http_status $3: $last_command: $(cat "$STDOUT")"
}

# What somebody has to mend.
expect_retryable 2 False None graft model.gguf
expect_retryable 3 False None inspect malformed/bad-magic.gguf
expect_retryable 4 False None inspect missing.gguf
expect_retryable 4 False None graft model.gguf "$DONOR" -o no-such-folder/out.gguf
touch taken.gguf
expect_retryable 5 False None graft model.gguf "$DONOR" -o taken.gguf

# A file that another program has open is not changed in place as long as it has.
if ! is_plain_posix; then
  exec 5<model.gguf
  expect_retryable 5 True None graft --in-place model.gguf "$DONOR"
  exec 5<&-
  touch model.gguf.mtpgraft-journal
  expect_retryable 5 False None graft --in-place model.gguf "$DONOR"
  rm model.gguf.mtpgraft-journal
fi

# Servers.
"$MTPGRAFT" --version | grep -q '^features.*, http ' || exit 0
unset HF_TOKEN HF_TOKEN_PATH HF_ENDPOINT
export XDG_CACHE_HOME=$SCRATCH/cache HF_HUB_DOWNLOAD_TIMEOUT=2
coproc python3 -B "$SOURCE_DIR/tests/support/bad_server.py" "$MODELS_DIR" /dev/null
read -r port _ <&"${COPROC[0]}"
server=http://127.0.0.1:$port
expect_retryable 4 False 404 inspect "$server/missing/$DONOR"
expect_retryable 4 False 401 inspect "$server/gated/$DONOR"
expect_retryable 4 False 200 inspect "$server/no-ranges/$DONOR"
expect_retryable 4 True 429 graft -n model.gguf "$server/busy-for-an-hour/$DONOR"
expect_retryable 4 True 503 graft -n model.gguf "$server/unavailable/$DONOR"
expect_retryable 4 True None graft -n model.gguf "$server/changes-half-way/$DONOR"
expect_retryable 4 True None inspect "http://127.0.0.1:1/$DONOR"
