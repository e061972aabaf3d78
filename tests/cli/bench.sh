# shellcheck shell=bash
# Sourced after common.sh: a llama-server that is none (fake_llama_server.py), and a model with a head for it. Its figures
# do not depend on the machine.

export MTPGRAFT_LLAMA_SERVER=$SOURCE_DIR/tests/support/fake_llama_server.py
export FAKE_LOG=$SCRATCH/starts

code=0
"$MTPGRAFT" bench --url http://127.0.0.1:9 >"$STDOUT" 2>"$STDERR" || code=$?
! grep -q 'libcurl' "$STDERR" || skip_all "built without libcurl, or there is none"

# expect_fake CODE MODE COMMAND...: with a server that behaves so.
expect_fake() {
  export FAKE_SERVER=$2
  expect_exit "$1" "${@:3}"
  unset FAKE_SERVER
}

# expect_no_server MARK: no process with this argument is left, or ten seconds later there is none.
expect_no_server() {
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    pgrep -f -- "$1" >/dev/null || return 0
    sleep 0.1
  done
  fail "a server is left: $last_command"
  pkill -9 -f -- "$1"
}
