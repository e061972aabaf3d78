#!/usr/bin/env bash
# A server that cannot be reached is an error at once; one that has answered is asked again, which the progress tells.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/remote.sh"

mkdir "$SCRATCH/bad"
cp "$MODELS_DIR/$DONOR" "$SCRATCH/bad/x.gguf"
coproc bad { exec python3 -BIS "$SOURCE_DIR/tests/support/bad_server.py" "$SCRATCH/bad" "$SCRATCH/bad.log"; }
# shellcheck disable=SC2154  # coproc sets it
read -r port _ <&"${bad[0]}"
url=http://127.0.0.1:$port/empty-body-twice/x.gguf

# Nobody listens; no such name.
start=$SECONDS
for endpoint in http://127.0.0.1:1 https://hub.invalid; do
  HF_ENDPOINT=$endpoint expect_error 4 'hf://lab/x: GET .*' 'look at .*network connection.*' hf://lab/x
  ! grep -q tried "$STDERR" || fail "it was tried again: $last_command"
  HF_ENDPOINT=$endpoint expect_exit 4 "$MTPGRAFT" graft --json -n "$TARGET" hf://lab/x
  expect_json "x['error']['retryable']"
done
((SECONDS - start < 20)) || fail "$((SECONDS - start)) seconds to see that there is no server"

# In a pipe nothing is said, with --progress=json each try is an event, without the query.
graft "$url?signature=secret" --no-cache
expect_nothing_on stderr stdout
rm out.gguf
expect_exit 0 "$MTPGRAFT" graft --no-sync --no-cache --progress=json "$TARGET" "$url?signature=again" -o out.gguf
rm out.gguf
python3 - "$STDERR" "$url" <<'END' || fail "other events: $last_command: $(cat "$STDERR")"
import json, sys
text = open(sys.argv[1]).read()
told = [event for event in map(json.loads, text.splitlines()) if event["event"] == "retry"]
assert [(event["path"], event["try"], event["of"]) for event in told] == [(sys.argv[2], 2, 5), (sys.argv[2], 3, 5)], told
assert all(event["reason"].startswith(f"GET {sys.argv[2]} (bytes 0-16383): ") and 0 < event["pause_seconds"] < 2 for event in told), told
assert "again" not in text
END

# On a terminal.
if command -v script >/dev/null; then
  last_command="a graft on a terminal"
  TERM=xterm SHELL=/bin/sh script -qec "exec '$MTPGRAFT' graft --no-sync --no-cache $TARGET '$url?third' -o out.gguf" \
    /dev/null >"$STDOUT" </dev/null || fail "exit code $?: $last_command"
  for try in 2 3; do
    LC_ALL=C grep -qaP "\\r\\x1b\\[Kfetch  waiting for [0-9.]+ [KM]iB  try $try of 5" "$STDOUT" ||
      fail "no try $try on a terminal: $(cat -v "$STDOUT")"
  done
fi
