#!/usr/bin/env bash
# The token is sent to the hub alone, and neither printed nor kept.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/remote.sh"
use_hub

# Without one, and with one that has no access.
expect_error 4 "hf://gated/$BASE/.*: 401 Unauthorized" \
  "accept its terms at $ENDPOINT/gated/$BASE in a browser, then give a token by HF_TOKEN or 'hf auth login'" \
  "hf://gated/$BASE"
expect_error 4 "hf://private/$BASE: .*: 401 Unauthorized" 'it is private or does not exist: .*HF_TOKEN.*' \
  "hf://private/$BASE"
HF_TOKEN=hf_other expect_error 4 "hf://gated/$BASE/.*: 403 Forbidden" \
  'the token is not valid, or has no access to it yet: accept its terms at .*' "hf://gated/$BASE"

# expect_no_leak: of the last command.
expect_no_leak() {
  ! grep -Fq "$TOKEN" "$STDOUT" "$STDERR" || fail "the token is printed: $last_command"
  ! grep -Frq "$TOKEN" "$CACHE" || fail "the token is in the cache: $last_command"
  ! requests | grep '^cdn' | grep -v 'authorization=-$' || fail "the token was sent to the CDN: $last_command"
  requests | grep -q "^hub .*authorization=Bearer $TOKEN\$" || fail "the token was not sent: $last_command"
}

# with_token VARIABLE VALUE [FILE]: the token is the value, or in the file.
with_token() {
  local donor options=-v
  if (($# > 2)); then
    mkdir -p "${3%/*}"
    echo "$TOKEN" >"$3"
  fi
  for donor in "hf://gated/$BASE" "hf://private/$BASE"; do
    forget_cache
    forget_requests
    expect_exit 0 env "$1=$2" "$MTPGRAFT" graft --no-sync $options "$TARGET" "$donor" -o out.gguf
    expect_no_leak
    expect_graft_of out.gguf
    rm -f out.gguf
    options=--json
  done
  (($# < 3)) || rm "$3"
}
with_token HF_TOKEN "$TOKEN"
with_token HF_HOME '' "$XDG_CACHE_HOME/huggingface/token"

# When something else fails.
export HF_TOKEN=$TOKEN
for donor in hf://lab/nothing "hf://private/$BASE@v9" hf://lab/Base-GGUF:none.gguf; do
  forget_requests
  run "$MTPGRAFT" graft -v "$TARGET" "$donor"
  [[ $code == 4 ]] || fail "exit code $code: $last_command"
  expect_no_leak
done

# A server that is not the hub.
forget_cache
forget_requests
HF_ENDPOINT=$TLS_ENDPOINT graft "$ENDPOINT/lab/Base-GGUF/resolve/main/mtp-Base-Q8_0.gguf"
! requests | grep -v 'authorization=-$' || fail "the token was sent to a server that is not the hub: $last_command"

# A proxy for plain http: it would read what goes to a hub on this machine.
forget_cache
mkfifo ready
python3 - ready <<'PYTHON' &
import pathlib, socket, sys
server = socket.create_server(("127.0.0.1", 0))
pathlib.Path(sys.argv[1]).write_text(str(server.getsockname()[1]))
while True:
    client, _ = server.accept()
    with open("proxied", "ab") as log:
        log.write(client.recv(65536))
    client.close()
PYTHON
cleanups+=("kill $!")
read -r port <ready || [[ -n $port ]]
rm ready
for variable in http_proxy all_proxy ALL_PROXY; do
  forget_cache
  forget_requests
  expect_exit 0 env -u NO_PROXY -u no_proxy HF_ENDPOINT="$ENDPOINT" "$variable=http://127.0.0.1:$port" "$MTPGRAFT" graft \
    --no-sync "$TARGET" "hf://private/$BASE" -o proxied.gguf
  rm -f proxied.gguf
  requests | grep -q "^hub .*authorization=Bearer $TOKEN\$" || fail "the token was not sent: $last_command"
done
[[ ! -e proxied ]] || fail "the proxy got: $(cat proxied)"
