#!/usr/bin/env bash
# Donors on servers: the same graft as from a download, for no more bytes than those of the head; kept for the next
# graft; the token told to nobody else; and every way to fail with its answer, and nothing left.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/hub.sh"
. "$TEST_DIR/mounts.sh"
command -v nginx >/dev/null || skip_all "no nginx"
command -v openssl >/dev/null || skip_all "no openssl"
"$MTPGRAFT" --version | grep -q libcurl || skip_all "built without libcurl"
use "$TARGET" target-align-64.gguf
inputs=("$TARGET" target-align-64.gguf)
start_hub
LOCAL=$HUB/local
BASE=hf-base-8L

unset HF_TOKEN HF_TOKEN_PATH HF_HOME HF_HUB_DOWNLOAD_TIMEOUT CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
export HOME=$SCRATCH/home HF_ENDPOINT=$ENDPOINT XDG_CACHE_HOME=$SCRATCH/cache
CACHE=$XDG_CACHE_HOME/mtpgraft

forget_cache() { rm -rf "$CACHE"; }

# graft DONOR [OPTION...]: writes out.gguf.
graft() {
  local donor=$1
  shift
  rm -f out.gguf
  expect_exit 0 "$MTPGRAFT" graft --no-sync -q "$TARGET" "$donor" -o out.gguf "$@"
}

expect_json() {
  [[ $(json "$1") == True ]] || fail "not true: $1, of: $last_command: $(head -c 3000 "$STDOUT")"
}

# expect_requests LINE...: what was asked, as "SERVER STATUS BYTES PATH".
expect_requests() {
  if ! diff -u --label expected --label asked <(printf '%s\n' "$@" | sed '/^$/d') <(requests | cut -d' ' -f1-4) \
    >"$SCRATCH/diff"; then
    fail "other requests of: $last_command"
    cat "$SCRATCH/diff" >&2
  fi
}

# expect_sent MAX: so many bytes at most.
expect_sent() {
  local bytes
  bytes=$(sent)
  ((bytes <= $1)) || fail "$bytes bytes were sent, expected at most $1: $last_command: $(requests)"
}

# expect_error CODE MESSAGE HINT DONOR [OPTION...]: the graft fails with this message and hint, and leaves nothing.
expect_error() {
  local code=$1 message=$2 hint=$3 donor=$4
  shift 4
  expect_exit "$code" "$MTPGRAFT" graft "$TARGET" "$donor" -o out.gguf "$@"
  expect_text "$STDERR" "^mtpgraft: $message\$"
  [[ -z $hint ]] || expect_text "$STDERR" "^  hint: $hint\$"
  expect_nothing_on stdout
  no_leftovers . "${inputs[@]}"
}

# expect_sound_cache DIR: each of its parts is what the file in DIR has there, and a digest.
expect_sound_cache() {
  local part file offset length
  for part in "$CACHE"/*/*-*-*; do
    file=$1/$(head -n 1 "${part%/*}/source" | sed 's#.*/##')
    IFS=- read -r _ offset length <<<"${part##*/}"
    [[ $file == *\?blobs=true ]] ||
      cmp -s <(head -c -32 "$part") <(tail -c +$((offset + 1)) "$file" | head -c "$length") ||
      fail "$part is not what $file has there, after: $last_command"
  done
}

# same_graft DONOR LOCAL [HEADER]: the graft is that from the download, byte for byte. Sent are the head, the header if
# it is large, and 1 MiB at most; no bytes for the next run.
same_graft() {
  local donor=$1 local=$2 header=${3:-0} head
  expect_exit 0 "$MTPGRAFT" graft --no-sync --json "$TARGET" "$local" -o local.gguf
  head=$(json "x['result']['head']['bytes']")
  forget_cache
  forget_requests
  graft "$donor"
  expect_nothing_on stdout stderr
  expect_same out.gguf local.gguf
  expect_sent $((head + header + 1048576))
  [[ -z ${MTPGRAFT_FIGURES:-} ]] ||
    echo "$(sent) bytes in $(requests | wc -l) answers, $((head + header)) of head and large header: $donor" >&2

  forget_requests
  expect_exit 0 "$MTPGRAFT" verify out.gguf --target "$TARGET" --donor "$donor"
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

# Of a checkpoint nothing is asked for but what has the head.
"$MTPGRAFT" graft --no-sync -q "$TARGET" "$LOCAL/$BASE" -o reference.gguf
inputs+=(reference.gguf)
forget_cache
forget_requests
graft "hf://lab/$BASE"
if requests | grep -E 'model-0000[14]|README|tokenizer'; then
  fail "files without head were asked for: $last_command"
fi
# Next time it is one question, and none if the donor is named by its commit.
forget_requests
graft "hf://lab/$BASE"
expect_requests "hub 304 0 /api/models/lab/$BASE/revision/main?blobs=true"
main=$HUB/www/api/models/lab/$BASE/revision/main
commit=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["sha"])' <"$main")
graft "hf://lab/$BASE@$commit"
forget_requests
graft "hf://lab/$BASE@$commit"
expect_requests ''
expect_same out.gguf reference.gguf

# A damaged cache is as good as none.
graft "hf://lab/$BASE"
for part in "$CACHE"/*/*-*-*; do
  flip_byte "$part" 64
done
graft "hf://lab/$BASE"
expect_same out.gguf reference.gguf

# After a push to the repository it is the new head.
cp "$main" "$SCRATCH/first"
publish() {
  cp "$1" "$main"
  touch -d "$2" "$main"
}
publish "$HUB/next-main" '1 hour'
"$MTPGRAFT" graft --no-sync -q "$TARGET" "$LOCAL/next/$BASE" -o next.gguf
graft "hf://lab/$BASE"
expect_same out.gguf next.gguf
rm next.gguf
publish "$SCRATCH/first" '2 hours'
graft "hf://lab/$BASE"
expect_same out.gguf reference.gguf

# Without the cache nothing is kept, and all is fetched again.
forget_cache
for _ in 1 2; do
  forget_requests
  graft "hf://lab/$BASE" --no-cache
  (($(sent) > 1968896)) || fail "$(sent) bytes were sent: $last_command"
done
[[ ! -e $CACHE ]] || fail "files in the cache: $last_command: $(ls "$CACHE")"
rm out.gguf

# The other commands.
expect_exit 0 "$MTPGRAFT" extract --no-sync -q "$LOCAL/Base-GGUF/Base-MTP-Q8_0.gguf" -o local.gguf
expect_exit 0 "$MTPGRAFT" extract --no-sync -q hf://lab/Base-GGUF:Base-MTP-Q8_0.gguf -o out.gguf
expect_same out.gguf local.gguf
rm out.gguf local.gguf
expect_exit 0 "$MTPGRAFT" extract --no-sync -q --for "$TARGET" "$LOCAL/$BASE" -o local.gguf
expect_exit 0 "$MTPGRAFT" extract --no-sync -q --for "$TARGET" "hf://lab/$BASE" -o out.gguf
expect_same out.gguf local.gguf
rm out.gguf local.gguf
forget_cache
forget_requests
for file in Base-MTP-Q8_0.gguf split/Base-MTP-Q8_0-00001-of-00004.gguf mtp-Base-Q8_0.gguf; do
  expect_exit 0 "$MTPGRAFT" inspect "$LOCAL/Base-GGUF/$file"
  # The commands that it proposes are for a download.
  sed -e "1s#$LOCAL/#hf://lab/#" -e "s#-m $LOCAL/.*/#-m #" "$STDOUT" >"$SCRATCH/inspected"
  expect_exit 0 "$MTPGRAFT" inspect "hf://lab/Base-GGUF:$file"
  expect_text "$STDOUT" '^ +only parts of [14] files? are read: the SHA-256 that the hub has of (it|them) is not checked$'
  sed -i -E '/^ {13}(hf:|only parts)/d' "$STDOUT"
  expect_stdout <"$SCRATCH/inspected"
done
expect_sent 500000
expect_exit 0 "$MTPGRAFT" inspect "hf://lab/$BASE"
expect_text "$STDOUT" '^  MTP +sidecar, .*15 tensors, 1.9 MiB: BF16 1.9 MiB \(8\), F32 5.5 KiB \(7\)$'
cat >PLAN.json <<END
{"schema_version": 1, "output_directory": "out", "grafts": [{"target": "$TARGET", "donor": "hf://lab/$BASE"}]}
END
expect_exit 0 "$MTPGRAFT" release --no-sync PLAN.json
expect_same "out/$GRAFT" reference.gguf
rm -r PLAN.json out

# --dry-run says what would be fetched, and fetches no weights; then that is what is fetched.
forget_cache
forget_requests
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

# No file is named, or several.
expect_error 2 'hf://lab/Base-GGUF: is not one model; of its files these have a head' \
  'name one: hf://lab/Base-GGUF:FILE' hf://lab/Base-GGUF
diff <(grep '^  - ' "$STDERR") - <<'END' >&2 || fail "other files: $last_command"
  - Base-MTP-BF16.gguf (head: 1.9 MiB)
  - Base-MTP-Q8_0.gguf (head: 1.0 MiB)
  - mtp-Base-BF16.gguf (head: 1.9 MiB)
  - mtp-Base-Q8_0.gguf (head: 1.0 MiB)
  - split/Base-MTP-Q8_0-00001-of-00004.gguf (head: 1.0 MiB)
END
expect_error 3 'hf://lab/Headless-GGUF/.*: the donor has no head .*' '.*the base model.*' hf://lab/Headless-GGUF
expect_error 2 'hf://lab/Base-GGUF.\*Q8_0\*.gguf: is not one model; of its files these have a head' 'name one: .*' \
  'hf://lab/Base-GGUF:*Q8_0*.gguf'
expect_exit 0 "$MTPGRAFT" inspect hf://lab/Base-GGUF
expect_text "$STDOUT" '^hf://lab/Base-GGUF/Base-Q4_K_M.gguf +qwen35 .* none +- +no$'
expect_text "$STDOUT" '^hf://lab/Base-GGUF/mtp-Base-Q8_0.gguf +qwen35 .* sidecar +1.0 MiB Q8_0 +with -md$'
expect_error 4 'hf://lab/Base-GGUF.\*Q3\*.gguf: matches no model; the repository has' 'name one: .*' \
  'hf://lab/Base-GGUF:*Q3*.gguf'

# What is not there, and what is not asked for.
expect_error 4 "hf://lab/Base-GGUF: has no file 'Base-MTP-Q8.gguf' .*" "did you mean 'Base-MTP-Q8_0.gguf'\?" \
  hf://lab/Base-GGUF:Base-MTP-Q8.gguf
expect_error 4 'hf://lab/nothing: .*: 401 Unauthorized' 'it is private or does not exist: .*HF_TOKEN.*' hf://lab/nothing
expect_error 4 'hf://lab/hf-base-9L: .*: 401 Unauthorized' "did you mean 'hf://lab/$BASE'\?" hf://lab/hf-base-9L
expect_error 4 "hf://lab/Base-GGUF@v1.1: .*: 404 Not Found: the repository has no revision 'v1.1'" \
  "did you mean 'v1.0'\?" hf://lab/Base-GGUF@v1.1:mtp-Base-Q8_0.gguf
expect_error 4 "hf://lab/$BASE@old: .*: 404 Not Found: the repository has no revision 'old'" 'there is main' \
  "hf://lab/$BASE@old"
expect_error 4 "$ENDPOINT/a/b/c/x.gguf: GET .*: 404 Not Found" '' "$ENDPOINT/a/b/c/x.gguf"
expect_error 2 'hf://lab: does not name an owner and a model' '.*hf://OWNER/NAME.*' hf://lab
expect_error 2 'http://example.invalid/x.gguf: .*http is neither encrypted nor protected against changes' \
  'use https, or --allow-http.*' http://example.invalid/x.gguf
expect_exit 4 "$MTPGRAFT" graft hf://lab/Base-GGUF:Base-Q4_K_M.gguf "hf://lab/$BASE" -o out.gguf
expect_text "$STDERR" '^  hint: only donors, and what is inspected, can be on a server: download the file, and name that$'
forget_requests
expect_error 3 "hf://lab/hf-crooked/.*: .*'\.\./$BASE/model-00002-of-00004.safetensors'.*" '' hf://lab/hf-crooked
if requests | grep -v -e ' /api/models/' -e 'json'; then
  fail "an index led to other files: $last_command"
fi

# The token: sent to the hub alone, printed and kept nowhere, wherever it comes from.
expect_error 4 "hf://gated/$BASE/.*: 401 Unauthorized" \
  "accept its terms at $ENDPOINT/gated/$BASE in a browser, then give a token by HF_TOKEN or 'hf auth login'" \
  "hf://gated/$BASE"
expect_error 4 "hf://private/$BASE: .*: 401 Unauthorized" 'it is private or does not exist: .*HF_TOKEN.*' \
  "hf://private/$BASE"
HF_TOKEN=hf_other expect_error 4 "hf://gated/$BASE/.*: 403 Forbidden" \
  'the token is not valid, or has no access to it yet: accept its terms at .*' "hf://gated/$BASE"
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
    expect_same out.gguf reference.gguf
    rm -f out.gguf
    options=--json
  done
  (($# < 3)) || rm "$3"
}
with_token HF_TOKEN "$TOKEN"
with_token HF_TOKEN_PATH "$SCRATCH/token" "$SCRATCH/token"
with_token HF_HOME "$SCRATCH/hf" "$SCRATCH/hf/token"
with_token HF_HOME '' "$XDG_CACHE_HOME/huggingface/token"
export HF_TOKEN=$TOKEN
for donor in hf://lab/nothing "hf://private/$BASE@v9" hf://lab/Base-GGUF:none.gguf; do
  forget_requests
  run "$MTPGRAFT" graft -v "$TARGET" "$donor"
  [[ $code == 4 ]] || fail "exit code $code: $last_command"
  expect_no_leak
done
forget_cache
forget_requests
HF_ENDPOINT=$TLS_ENDPOINT graft "$ENDPOINT/lab/Base-GGUF/resolve/main/mtp-Base-Q8_0.gguf"
! requests | grep -v 'authorization=-$' || fail "the token was sent to a server that is not the hub: $last_command"
unset HF_TOKEN

# A hub that is asked too often.
forget_cache
forget_requests
graft "hf://busy/$BASE"
requests | grep -q ' 429 ' || fail "the hub was not busy: $(requests)"
expect_same out.gguf reference.gguf
rm out.gguf

# Stopped when one half of the head is there, then again in the other: no output, and what came is used.
has_half() { compgen -G "$CACHE/*/*-1442304" || compgen -G "$CACHE/*/*-458880"; }
is_fetching() { requests | grep '^hub 302'; }
stop_when() { # CONDITION SIGNAL EXIT
  forget_requests
  last_command="a graft that gets SIG$2"
  "$MTPGRAFT" graft -q --no-sync "$TARGET" "hf://slow/$BASE" -o out.gguf 2>"$STDERR" &
  local job=$!
  until "$1" >/dev/null || ! kill -0 "$job" 2>/dev/null; do
    sleep 0.01
  done
  kill -s "$2" "$job" || fail "it was over before it could be stopped: $(requests)"
  code=0
  wait "$job" 2>/dev/null || code=$?
  [[ $code == "$3" ]] || fail "exit code $code: $last_command: $(cat "$STDERR")"
  no_leftovers . "${inputs[@]}"
  expect_sound_cache "$LOCAL/$BASE"
}
forget_cache
stop_when has_half KILL 137
half=$(has_half)
stop_when is_fetching INT 130
forget_requests
graft "hf://slow/$BASE"
expect_same out.gguf reference.gguf
! requests | grep "^cdn 206 ${half##*-} " || fail "what had come was fetched again: $last_command"
rm out.gguf

# A cache without room, and one that cannot be written to.
inputs+=(full)
if add_mount full "a tmpfs" -t tmpfs -o size=200k tmpfs; then
  XDG_CACHE_HOME=$WORK/full CACHE=$WORK/full/mtpgraft
  expect_error 4 "$CACHE/.*: cannot .*: No space left on device" "the cache is '$CACHE'; --no-cache does without it, .*" \
    "hf://lab/$BASE"
  expect_sound_cache "$LOCAL/$BASE"
  mount -o remount,size=8m full
  graft "hf://lab/$BASE"
  expect_same out.gguf reference.gguf
  mount -o remount,ro full
  graft "hf://lab/$BASE" # from what is there
  expect_same out.gguf reference.gguf
  rm out.gguf
  expect_error 4 "$CACHE.*: cannot .*: Read-only file system" "the cache is '$CACHE'; --no-cache does without it, .*" \
    hf://lab/Base-GGUF:mtp-Base-Q8_0.gguf
  XDG_CACHE_HOME=$SCRATCH/cache CACHE=$SCRATCH/cache/mtpgraft
fi

# A server that nginx cannot be.
mkdir "$SCRATCH/bad"
cp "$MODELS_DIR/$DONOR" "$SCRATCH/bad/x.gguf"
coproc bad { exec python3 -BIS "$SOURCE_DIR/tests/support/bad_server.py" "$SCRATCH/bad" "$SCRATCH/bad.log"; }
# shellcheck disable=SC2154  # coproc sets it
read -r port _ <&"${bad[0]}"
forget_cache
expect_bad() { # BEHAVIOUR MESSAGE [HINT]
  expect_error 4 "http://127.0.0.1:$port/$1/x.gguf: GET .*: $2" "${3:-download the file by other means, and name that}" \
    "http://127.0.0.1:$port/$1/x.gguf"
  [[ ! -e $CACHE ]] || expect_sound_cache "$SCRATCH/bad"
}
expect_bad no-ranges 'the server answered 200, not 206: it does not serve ranges'
expect_bad other-range 'the server answered with bytes 1-16384'
expect_bad changes 'the file changed on the server while it was read: it was "first", and is "second"' 'try again'
expect_bad changes-half-way 'the file changed on the server .*' 'try again'
expect_bad endless 'more than 10 redirects'
expect_bad to-other-host 'redirected to http://192.0.2.1/model.gguf: http is neither .*' 'use https, or --allow-http.*'
expect_bad unavailable '503 Service Unavailable \(tried 5 times\)' 'try again later'
HF_HUB_DOWNLOAD_TIMEOUT=1 graft "http://127.0.0.1:$port/stalls-once/x.gguf"
expect_sound_cache "$SCRATCH/bad"
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$SCRATCH/bad/x.gguf" -o local.gguf
expect_same out.gguf local.gguf
rm out.gguf local.gguf

# On a terminal it is seen how long it takes.
if command -v script >/dev/null; then
  forget_cache
  last_command="a graft on a terminal"
  TERM=xterm SHELL=/bin/sh script -qec "exec '$MTPGRAFT' graft --no-sync $TARGET hf://slow/$BASE -o out.gguf" /dev/null \
    >"$STDOUT" </dev/null || fail "exit code $?: $last_command"
  LC_ALL=C grep -qaP '\r\x1b\[Kfetch +[0-9]{1,3}%  [0-9.]+ [KM]iB of 1\.\d MiB  [0-9.]+ [KM]iB/s  [0-9]+:[0-9]{2} left' \
    "$STDOUT" || fail "no progress line on a terminal: $(cat -v "$STDOUT")"
fi
