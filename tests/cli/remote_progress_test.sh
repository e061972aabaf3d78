#!/usr/bin/env bash
# A user sees what would be fetched before anything is, and on a terminal how long it will take.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/remote.sh"
use_hub

# --dry-run says what would be fetched, and fetches no weights; then that is what is fetched.
expect_exit 0 "$MTPGRAFT" graft -n "$TARGET" "hf://lab/$BASE"
expect_sent 100000
expect_text "$STDOUT" "^  hf://lab/$BASE/model-00002-of-00004.safetensors  bytes 3146792-[0-9]+ +1.4 MiB\$"
expect_text "$STDOUT" \
  "^1.9 MiB to fetch, 6\.[0-9]+ % of the repository's 30.1 MiB; [0-9.]+ KiB of the head were read before\$"
expect_exit 0 "$MTPGRAFT" graft -n --json "$TARGET" "hf://lab/$BASE"
expect_json "x['result']['fetch']['repository_bytes'] == $(cat "$LOCAL/$BASE/"* | wc -c)"
planned=$(json "sum(part['bytes'] for file in x['result']['fetch']['files'] for part in file['ranges'])")
no_leftovers . "${inputs[@]}"
forget_requests
graft "hf://lab/$BASE"
[[ $(sent) == "$planned" ]] || fail "$(sent) bytes were sent, $planned planned: $last_command: $(requests)"
rm out.gguf

# On a terminal it is seen how long it takes.
if command -v script >/dev/null; then
  forget_cache
  last_command="a graft on a terminal"
  TERM=xterm SHELL=/bin/sh script -qec "exec '$MTPGRAFT' graft --no-sync $TARGET hf://slow/$BASE -o out.gguf" /dev/null \
    >"$STDOUT" </dev/null || fail "exit code $?: $last_command"
  LC_ALL=C grep -qaP '\r\x1b\[Kfetch +[0-9]{1,3}%  [0-9.]+ [KM]iB of 1\.\d MiB  [0-9.]+ [KM]iB/s  [0-9]+:[0-9]{2} left' \
    "$STDOUT" || fail "no progress line on a terminal: $(cat -v "$STDOUT")"
fi
