#!/usr/bin/env bash
# The completions that are installed are those that the program prints, and shells can use them.
. "$(dirname "$0")/common.sh"
completions=$SOURCE_DIR/scripts/completions
mkdir sub
touch model.gguf mtp.safetensors notes.txt plan.json

for printed in bash:mtpgraft.bash fish:mtpgraft.fish zsh:_mtpgraft; do
  expect_exit 0 "$MTPGRAFT" completion "${printed%:*}"
  expect_nothing_on stderr
  cmp -s "$STDOUT" "$completions/${printed#*:}" ||
    fail "write it anew: mtpgraft completion ${printed%:*} > scripts/completions/${printed#*:}"
done

mapfile -t commands < <("$MTPGRAFT" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]\+\) .*/\1/p')

# options_of COMMAND: as --help lists them.
options_of() {
  "$MTPGRAFT" "$1" --help | sed -n '/^Options:/,/^$/p' | sed -nE 's/^  (-[^ =[]*).*/\1/p' | tr ',' '\n'
}

# expect_words SHELL LINE WORD...: those that the line can be completed with, sorted.
expect_words() {
  local shell=$1 line=$2
  shift 2
  last_command="$shell: $line"
  diff <(printf '%s\n' "$@" | sort) <("complete_$shell" "$line" | sort) >"$SCRATCH/diff" ||
    fail "other words than expected (<) complete: $last_command: $(cat "$SCRATCH/diff")"
}

. "$completions/mtpgraft.bash"
complete_bash() {
  # The last word is empty after a blank.
  read -ra COMP_WORDS <<<"$1"
  [[ $1 != *' ' ]] || COMP_WORDS+=('')
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  _mtpgraft
  printf '%s\n' "${COMPREPLY[@]}"
}

complete_fish() {
  # shellcheck disable=SC2016  # fish expands it
  fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$completions/mtpgraft.fish" "$1" | cut -f1
}

# What one zsh on a terminal of its own lists at Tab, asked once for all lines, as it is slow to start.
cat >"$SCRATCH/complete.zsh" <<'END'
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -D -u; bindkey '^I' list-choices
zstyle ':completion:*' list-grouped false; stty cols 200; zle-line-init() { print -n REA\"\"DY }; zle -N zle-line-init"
zpty -r shell text '*READY*'
cd $2
shift 2
for line; do
  # Ctrl-U takes the line back; then an empty one is entered.
  zpty -w -n shell $line$'\t\x15\n'
  zpty -r shell text '*READY*'
  print -r -- $text >$line
done
END
ask_zsh() {
  mkdir "$SCRATCH/zsh"
  timeout 120 zsh -f "$SCRATCH/complete.zsh" "$completions" "$SCRATCH/zsh" "$@"
}
complete_zsh() {
  tr -d '\r' <"$SCRATCH/zsh/$1" | sed 's/\x1b\[[0-9;?]*[A-Za-z]//g' | sed -nE 's/^([^ ]+) +-- .*/\1/p'
}

try_shell() {
  local shell=$1 command
  expect_words "$shell" "mtpgraft g" graft
  for command in "${commands[@]}"; do
    # shellcheck disable=SC2046
    expect_words "$shell" "mtpgraft $command -" $(options_of "$command")
  done
}

try_shell bash
expect_words bash "mtpgraft " "${commands[@]}"
expect_words bash "mtpgraft -" -h --help --version
expect_words bash "mtpgraft graft --copy " auto buffered clone kernel
expect_words bash "mtpgraft graft --copy = c" clone
expect_words bash "mtpgraft graft model.gguf --link =" auto clone copy hard sym
expect_words bash "mtpgraft extract --head-type q" q4_k q5_k q6_k q8_0
expect_words bash "mtpgraft verify --norm-offset " 0 1
expect_words bash "mtpgraft graft " model.gguf mtp.safetensors sub
expect_words bash "mtpgraft inspect " model.gguf mtp.safetensors sub
expect_words bash "mtpgraft verify model.gguf --donor m" model.gguf mtp.safetensors
expect_words bash "mtpgraft verify model.gguf -c n" notes.txt
expect_words bash "mtpgraft release " plan.json sub
expect_words bash "mtpgraft completion " bash fish zsh
expect_words bash "mtpgraft graft --set " ''

if command -v fish >/dev/null; then
  try_shell fish
  expect_words fish "mtpgraft graft --copy " auto buffered clone kernel
  expect_words fish "mtpgraft verify model.gguf -c n" notes.txt
  expect_words fish "mtpgraft release p" plan.json
  expect_words fish "mtpgraft completion " bash fish zsh
  [[ -z $(complete_fish "mtpgraft graft --set ") ]] || fail "something completes a key"
else
  skip_part "no fish"
fi
if command -v zsh >/dev/null; then
  lines=("mtpgraft g" "mtpgraft graft --in-place --s" "mtpgraft graft --copy " "mtpgraft graft model.gguf ")
  for command in "${commands[@]}"; do
    lines+=("mtpgraft $command -")
  done
  ask_zsh "${lines[@]}"
  try_shell zsh
  expect_words zsh "mtpgraft graft --in-place --s" --set --strict
  expect_text "$SCRATCH/zsh/mtpgraft graft --copy " 'auto +buffered +clone +kernel'
  expect_text "$SCRATCH/zsh/mtpgraft graft model.gguf " 'model.gguf +mtp.safetensors +'
else
  skip_part "no zsh"
fi
