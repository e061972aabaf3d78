#!/usr/bin/env bash
# What was written is complete, whatever becomes of the answer: a stdout that is full, closed, or read by nobody is an
# error which says so.
. "$(dirname "$0")/common.sh"
[[ -w /dev/full ]] || skip_all "no /dev/full"
use "$DONOR"
cp "$MODELS_DIR/$TARGET" target.gguf
"$MTPGRAFT" graft -q --no-sync target.gguf "$DONOR" -o graft.gguf
"$MTPGRAFT" extract -q --no-sync "$DONOR" -o head.gguf
"$MTPGRAFT" graft -q --no-sync --split-head target.gguf "$DONOR" -o set.gguf
echo '{"schema_version": 1, "output_directory": "out", "grafts": [{"target": "target.gguf", "donor": "'$DONOR'"}]}' >plan.json

# loses_its_answer WAY COMMAND...: runs it so that what it prints on stdout is lost.
loses_its_answer() {
  local way=$1
  shift
  last_command="$* ($way)"
  code=0
  case $way in
    full) "$@" >/dev/full 2>"$STDERR" || code=$? ;;
    closed) "$@" >&- 2>"$STDERR" || code=$? ;;
    pipe) # its reader is gone before there is an answer
      { ("$@" 2>"$STDERR" 3>&- || code=$?; echo $code >&3) | :; } 3>"$SCRATCH/code" || true
      code=$(cat "$SCRATCH/code")
      ;;
  esac
}

# complete OUTPUT EXPECTED PATTERN COMMAND...: exit code 4, the message, and OUTPUT as it is without the loss.
complete() {
  local output=$1 expected=$2 pattern=$3 way json
  shift 3
  for way in full closed pipe; do
    for json in "" --json; do
      rm -rf out out.gguf out-0*
      # shellcheck disable=SC2086
      loses_its_answer $way "$@" $json
      [[ $code == 4 ]] || fail "exit code $code, expected 4: $last_command"
      expect_text "$STDERR" "^mtpgraft: cannot write to stdout: (No space left on device|Bad file descriptor|Broken pipe); $pattern\$"
      expect_same "$output" "$expected"
    done
  done
}
complete out.gguf graft.gguf '"out.gguf" is complete' "$MTPGRAFT" graft --no-sync target.gguf "$DONOR" -o out.gguf
complete out.gguf head.gguf '"out.gguf" is complete' "$MTPGRAFT" extract --no-sync "$DONOR" -o out.gguf
complete out.gguf target.gguf '"out.gguf" is complete' "$MTPGRAFT" strip --no-sync graft.gguf -o out.gguf
complete out-00002-of-00002.gguf set-00002-of-00002.gguf '"out-00001-of-00002.gguf" is complete, and so is the other file' \
  "$MTPGRAFT" graft --no-sync --split-head target.gguf "$DONOR" -o out.gguf
complete out/target-MTP.gguf graft.gguf 'all outputs and lists are complete' "$MTPGRAFT" release --no-sync plan.json

# Where nothing was written nothing is claimed, and a pipe ends the program as it ends others.
for command in "graft -n target.gguf $DONOR -o none.gguf" "inspect target.gguf" "verify graft.gguf" "recover target.gguf"; do
  for way in full closed; do
    # shellcheck disable=SC2086
    loses_its_answer $way "$MTPGRAFT" $command
    [[ $code == 4 ]] || fail "exit code $code, expected 4: $last_command"
    expect_text "$STDERR" '^mtpgraft: cannot write to stdout: [A-Za-z ]*$'
  done
  # shellcheck disable=SC2086
  loses_its_answer pipe "$MTPGRAFT" $command
  [[ $code == 141 && ! -s $STDERR ]] || fail "exit code $code, expected 141: $last_command: $(cat "$STDERR")"
done

# An error that cannot be printed as JSON is printed all the same.
for way in full closed pipe; do
  loses_its_answer $way "$MTPGRAFT" strip --json none.gguf -o out.gguf
  [[ $code == 4 ]] || fail "exit code $code, expected 4: $last_command"
  expect_text "$STDERR" '^mtpgraft: none.gguf: cannot open: No such file'
done

# A file that is opened does not get the number of a stream that is closed.
if ! is_plain_posix; then
  cp graft.gguf changed.gguf
  code=0
  "$MTPGRAFT" strip --in-place changed.gguf >&- 2>&- <&- || code=$?
  case $code in
    4) expect_same changed.gguf target.gguf ;;
    5) expect_same changed.gguf graft.gguf ;; # this file system cannot change it
    *) fail "exit code $code of strip --in-place without streams" ;;
  esac
fi

# Not what was done, but what was asked for.
for arguments in --version "--version --json" --help "graft --help"; do
  # shellcheck disable=SC2086  # words
  loses_its_answer full "$MTPGRAFT" $arguments
  [[ $code == 4 ]] || fail "exit code $code, expected 4: $last_command"
  expect_text "$STDERR" '^mtpgraft: cannot write to stdout: No space left on device$'
done
