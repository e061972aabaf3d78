#!/usr/bin/env bash
# Progress is for people: shown on a terminal while something takes long, gone when it is done, and nowhere else.
. "$(dirname "$0")/common.sh"
command -v script >/dev/null || skip_all "no script(1) to make a terminal"
[[ -d /proc/self/fd ]] || skip_all "no /proc to see when a graft writes"
use "$DONOR"
mkdir place
make_big_model place/target.gguf

# graft_on_terminal OPTION...: what the terminal gets goes to $STDOUT. The graft is held up for a moment while it
# writes, so that it takes long enough for a progress line on any machine.
graft_on_terminal() {
  local job pid
  last_command="graft $* on a terminal"
  rm -f place/out.gguf pid
  SHELL=/bin/sh script -qec "echo \$\$ >pid; exec '$MTPGRAFT' graft $* place/target.gguf $DONOR -o place/out.gguf" \
    /dev/null >"$STDOUT" 2>"$STDERR" </dev/null &
  job=$!
  while [[ ! -s pid ]]; do
    sleep 0.01
  done
  pid=$(cat pid)
  if stop_while_writing "$pid" place; then
    sleep 0.3
    # script stops itself when its child is stopped.
    kill -CONT "$pid" "$job"
  fi
  code=0
  wait "$job" || code=$?
  [[ $code == 0 ]] || fail "exit code $code: $last_command"
  [[ -s place/out.gguf ]] || fail "no output: $last_command"
}

# What is left on the screen: of each line the text after the last return that blanks it.
screen() {
  python3 -c 'import sys
lines = open(sys.argv[1], newline="").read().replace("\r\n", "\n").split("\n")
print("\n".join(line.split("\r\x1b[K")[-1] for line in lines), end="")' "$STDOUT"
}

expect_no_progress() {
  if LC_ALL=C grep -qaP '[\x1b%]|\r(?!$)' "$STDOUT" "$STDERR"; then
    fail "progress in: $last_command"
    cat -v "$STDOUT" "$STDERR" >&2
  fi
}

# In pipes and files.
expect_exit 0 "$MTPGRAFT" graft place/target.gguf "$DONOR" -o place/out.gguf
expect_nothing_on stderr
expect_no_progress
cp "$STDOUT" plain

export TERM=xterm
graft_on_terminal
LC_ALL=C grep -qaP '\r\x1b\[Kgraft +[0-9]{1,3}%  [0-9.]+ [KMG]iB of 293\.\d MiB  [0-9.]+ [KMG]iB/s  [0-9]+:[0-9]{2} left' \
  "$STDOUT" || fail "no progress line on a terminal: $(cat -v "$STDOUT")"
screen >"$SCRATCH/screen"
diff <(normalise <plain) <(normalise <"$SCRATCH/screen") >&2 || fail "the terminal is left with other text than a file"

# Standard output in a file does not matter; the line is for standard error.
graft_on_terminal '>answer'
LC_ALL=C grep -qaP '\x1b\[Kgraft +[0-9]+%' "$STDOUT" || fail "no progress line beside a redirected answer"
[[ -z $(screen) ]] || fail "the progress line is left: $(screen | cat -v)"
diff <(normalise <plain) <(normalise <answer) >&2 || fail "another answer in a file than in a pipe"

graft_on_terminal -q
[[ ! -s $STDOUT ]] || fail "-q prints on a terminal: $(cat -v "$STDOUT")"
graft_on_terminal --json
expect_no_progress
graft_on_terminal --progress=none
expect_no_progress
TERM=dumb graft_on_terminal
expect_no_progress

# Events are what they are in a pipe, and beside them there is no line.
graft_on_terminal --progress=json -q
expect_no_progress
expect_text "$STDOUT" '"phase":"write","state":"running","path":"place/out.gguf","bytes_done":[1-9][0-9]*,'
graft_on_terminal '2>errors'
expect_no_progress
[[ ! -s errors ]] || fail "progress in a redirected standard error"
