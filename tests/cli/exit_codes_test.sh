#!/usr/bin/env bash
# Each exit code by a real situation, and what the command line itself answers.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR"

# reach CODE COMMAND...
declare -A reached
reach() {
  expect_exit "$@"
  reached[$code]=1
}

reach 0 "$MTPGRAFT" graft -q "$TARGET" "$DONOR"
expect_nothing_on stdout stderr

cp "$GRAFT" damaged.gguf
printf '\xff' | dd of=damaged.gguf bs=1 seek=7000000 conv=notrunc status=none
reach 1 "$MTPGRAFT" verify damaged.gguf --target "$TARGET" --donor "$DONOR"
expect_nothing_on stderr

reach 2 "$MTPGRAFT" graft "$TARGET"
expect_nothing_on stdout
expect_stderr <<'END'
mtpgraft: target-12L-Q4_K_M.gguf: no donor is named
  hint: name what has the head as DONOR: the base model's GGUF or checkpoint, or its repository, hf://OWNER/NAME
END

head -c 1000000 "$TARGET" >cut.gguf
reach 3 "$MTPGRAFT" inspect cut.gguf
expect_nothing_on stdout

reach 4 "$MTPGRAFT" inspect missing.gguf
expect_nothing_on stdout
expect_stderr <<'END'
mtpgraft: missing.gguf: cannot open: No such file or directory
  hint: the current folder has 'cut.gguf', 'damaged.gguf', 'mtp-base-8L-Q8_0.gguf', 'target-12L-MTP-Q4_K_M.gguf' and 1 more
END

reach 5 "$MTPGRAFT" graft "$TARGET" "$DONOR"
expect_nothing_on stdout
expect_stderr <<'END'
mtpgraft: target-12L-MTP-Q4_K_M.gguf: the output exists
  hint: use --force to replace it, or -o for another name
END

# reach_by SIGNAL CODE: as soon as the target is open.
reach_by() {
  reach "$2" python3 "$SOURCE_DIR/tests/support/signal_when_open.py" "$1" "$TARGET" "$MTPGRAFT" \
    graft "$TARGET" "$DONOR" -o out.gguf
  expect_nothing_on stdout
  expect_stderr <<'END'
mtpgraft: interrupted
END
  no_leftovers . "$TARGET" "$DONOR" "$GRAFT" damaged.gguf cut.gguf
}
reach_by HUP 129
reach_by INT 130
reach_by TERM 143

# These are all that --help tells of.
"$MTPGRAFT" --help | sed -n '/^Exit codes:/,$p' | grep -oE '^  [0-9, ]+' | grep -oE '[0-9]+' | sort >"$SCRATCH/listed"
printf '%s\n' "${!reached[@]}" | sort | diff "$SCRATCH/listed" - >&2 ||
  fail "other codes were reached (>) than --help lists (<)"

# No arguments: a short help, which is not an answer.
expect_exit 2 "$MTPGRAFT"
expect_nothing_on stdout
expect_stderr <<'END'
Puts a multi-token-prediction (MTP) head back into a quantised GGUF that lost it, so that llama.cpp drafts with it. The target's own tensors stay byte for byte what they were.

Examples:
  mtpgraft inspect Model-Q4_K_M.gguf
  mtpgraft graft Model-Q4_K_M.gguf mtp-Base-Q8_0.gguf

mtpgraft --help tells more.
END

# Wrong command lines name what is wrong.
expect_usage_error() {
  local mentions=$1
  shift
  expect_exit 2 "$MTPGRAFT" "$@"
  expect_nothing_on stdout
  expect_text "$STDERR" "^mtpgraft: .*$mentions"
  expect_text "$STDERR" '^  hint: (mtpgraft .*--help|did you mean .*)$'
}
expect_usage_error "unknown command 'grfat'" grfat "$TARGET" "$DONOR"
expect_text "$STDERR" "did you mean 'graft'"
expect_exit 2 "$MTPGRAFT" look "$TARGET"
expect_stderr <<'END'
mtpgraft: unknown command 'look'
  hint: mtpgraft --help lists the commands
END
expect_usage_error --bogus inspect --bogus "$TARGET"
expect_usage_error --bogus graft --bogus "$TARGET" "$DONOR"
expect_usage_error --bogus verify --bogus "$TARGET"
expect_usage_error --bogus checksum --bogus "$TARGET"
expect_usage_error --bogus extract --bogus "$DONOR" -o out.gguf
expect_usage_error --bogus strip --bogus "$GRAFT" -o out.gguf
expect_usage_error --bogus recover --bogus "$TARGET"
expect_usage_error --output graft "$TARGET" "$DONOR" -o
expect_usage_error third graft "$TARGET" "$DONOR" third
expect_usage_error FILE inspect
expect_usage_error --mmproj inspect "$TARGET" --mmproj
expect_usage_error FILE verify
expect_usage_error FILE checksum
expect_usage_error DONOR extract -o out.gguf
expect_usage_error --in-place extract "$DONOR" -o out.gguf --in-place
expect_usage_error --for extract "$DONOR" -o out.gguf --for
expect_usage_error --strict strip "$GRAFT" -o out.gguf --strict
expect_usage_error FILE strip -o out.gguf
expect_usage_error '-o FILE, or --in-place' strip "$GRAFT"
expect_usage_error --output strip "$GRAFT" --in-place -o out.gguf
expect_usage_error TARGET recover
expect_usage_error SHELL completion
expect_usage_error 'tcsh not in {bash,fish,zsh}' completion tcsh
expect_usage_error --quiet completion bash --quiet
for option in --set --set-file --unset --yarn --head-type --ggml --norm-offset; do
  expect_usage_error "$option needs a value" graft "$TARGET" "$DONOR" "$option"
  expect_usage_error "$option" strip "$GRAFT" -o out.gguf "$option" x
done
for option in --head-type --ggml --norm-offset; do
  expect_usage_error "$option needs a value" extract "$DONOR" -o out.gguf "$option"
  expect_usage_error "$option needs a value" verify "$GRAFT" --target "$TARGET" --donor "$DONOR" "$option"
done
expect_usage_error --donor verify "$GRAFT" --target "$TARGET"
expect_usage_error --target verify "$GRAFT" --donor "$DONOR"
expect_usage_error --check verify "$GRAFT" --target "$TARGET" --donor "$DONOR" -c list
for option in --exact --status --strict --ignore-missing; do
  expect_usage_error "$option" verify "$GRAFT" "$option"
done

# expect_help COMMAND OPTION...
expect_help() {
  local command=$1 option
  shift
  for flag in -h --help; do
    # shellcheck disable=SC2086  # the empty command is the program itself
    expect_exit 0 "$MTPGRAFT" $command $flag
    expect_nothing_on stderr
    for option in "$@"; do
      grep -Fqw -e "$option" "$STDOUT" || fail "'$command $flag' does not mention $option"
    done
  done
}
common=(--help --json --quiet -q -h)
expect_help '' --help --version inspect graft extract strip verify checksum recover completion 'Exit codes:' 'Examples:'
expect_help inspect FILE --tensors --kv --mmproj Examples "${common[@]}"
writing=(--output -o --dry-run -n --force -f --checksums --copy --no-sync --verbose -v Examples)
reading=(--head-type --ggml --norm-offset)
expect_help graft TARGET DONOR --merge --split-head --link --in-place --replace --strict --no-record --set --unset --yarn "${writing[@]}" \
  "${reading[@]}" "${common[@]}"
expect_help extract DONOR --for --tensors-only "${writing[@]}" "${reading[@]}" "${common[@]}"
expect_help strip FILE --in-place "${writing[@]}" "${common[@]}"
expect_help verify FILE --target --donor --trust-shared-extents --allow-edits --tensors-only --check --exact --status --strict --ignore-missing -c \
  Examples "${reading[@]}" "${common[@]}"
expect_help recover TARGET Example "${common[@]}"
expect_help checksum FILE --algorithm sha256 "${common[@]}"
expect_help completion SHELL bash fish zsh --help -h

# An answer that cannot be written is no success.
if [[ -w /dev/full ]]; then
  cp "$TARGET" own.gguf
  for command in "inspect $TARGET" "checksum $TARGET" "verify $GRAFT" "graft -n -o other.gguf $TARGET $DONOR" \
    "extract -n -o other.gguf $DONOR" "strip -n -o other.gguf $GRAFT" "recover own.gguf" \
    "completion bash"; do
    code=0
    # shellcheck disable=SC2086
    "$MTPGRAFT" $command >/dev/full 2>"$STDERR" || code=$?
    last_command="$command >/dev/full"
    [[ $code == 4 ]] || fail "exit code $code, expected 4: $last_command"
    expect_stderr <<'END'
mtpgraft: cannot write to stdout: No space left on device
END
  done
else
  skip_part "no /dev/full"
fi
