# shellcheck shell=bash
# Sourced after common.sh by the tests of donors on servers: a user without settings and cache, and what they ask for.
"$MTPGRAFT" --version | grep -q libcurl || skip_all "built without libcurl"
. "$TEST_DIR/hub.sh"
use "$TARGET"
inputs=("$TARGET")
BASE=hf-base-8L

unset HF_TOKEN HF_TOKEN_PATH HF_HOME HF_HUB_DOWNLOAD_TIMEOUT HF_HUB_OFFLINE CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR
unset LLAMA_CACHE HF_HUB_CACHE HUGGINGFACE_HUB_CACHE
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
export HOME=$SCRATCH/home XDG_CACHE_HOME=$SCRATCH/cache
CACHE=$XDG_CACHE_HOME/mtpgraft

# use_hub: the hub is running, and has what is to be grafted also in the directory LOCAL.
use_hub() {
  command -v nginx >/dev/null || skip_all "no nginx"
  command -v openssl >/dev/null || skip_all "no openssl"
  start_hub
  LOCAL=$HUB/local
  export HF_ENDPOINT=$ENDPOINT
}

# expect_graft_of FILE [LOCAL_DONOR]: every byte is that of the graft of the download, but for the commit in the record.
expect_graft_of() {
  local donor=${2:-$LOCAL/$BASE}
  "$MTPGRAFT" verify -q "$1" --target "$TARGET" --donor "$donor" >&2 || fail "$1 is no graft of $donor: $last_command"
  "$MTPGRAFT" inspect "$1" | grep -Eq '^ +the donor was read at commit [0-9a-f]{40}$' || fail "$1 has no commit: $last_command"
}

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
