#!/usr/bin/env bash
# Where the head is, the target's keys may tell: `inspect`, and `graft` without a donor, print the command, and ask
# nobody.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/bases.sh"
use "$TARGET" "$DONOR"
export HF_ENDPOINT=http://127.0.0.1:1 XDG_CACHE_HOME=$SCRATCH/cache

# proposed FILE: the commands that are printed for it.
proposed() {
  expect_exit 0 "$MTPGRAFT" inspect "$1"
  sed -n 's/^ *\(mtpgraft graft \)/\1/p' "$STDOUT"
}

# expect_proposed FILE LINE...: by inspect; and by graft, without what follows the command.
expect_proposed() {
  local file=$1 line
  shift
  diff <(proposed "$file") <(printf '%s\n' "$@") >&2 || fail "other proposals for $file"
  expect_exit 2 "$MTPGRAFT" graft "$file"
  expect_nothing_on stdout
  for line in "$@"; do
    line=${line%% puts *}
    [[ $line == *DONOR* ]] || grep -qF -- "$line" "$STDERR" || fail "not proposed: $line: $(cat "$STDERR")"
  done
}

of_base Tuned.gguf Qwen/Qwen3.5-9B
expect_proposed Tuned.gguf \
  'mtpgraft graft Tuned.gguf --from-base puts in the head of the model that it was made of, hf://Qwen/Qwen3.5-9B'
expect_exit 2 "$MTPGRAFT" graft Tuned.gguf
expect_stderr <<'END'
mtpgraft: Tuned.gguf: no donor is named
  hint: add --from-base: it takes the head of the model that it was made of, hf://Qwen/Qwen3.5-9B (mtpgraft graft Tuned.gguf --from-base)
END
expect_exit 2 "$MTPGRAFT" graft --json Tuned.gguf
expect_json "x['error']['remedy'] == 'take-base' and 'donors' not in x['error']"
expect_exit 0 "$MTPGRAFT" inspect --json Tuned.gguf
expect_json "x['result']['files'][0]['base_models'] == [{'name': 'Qwen3.5-9B', 'organization': 'Qwen',
  'url': 'https://huggingface.co/Qwen/Qwen3.5-9B', 'repository': 'Qwen/Qwen3.5-9B', 'is_guessed': False,
  'key': 'general.base_model.0.repo_url'}]"

# The URL is missing, or of another place.
name_bases Named.gguf base_model.0.name 'Qwen3.5 9B' base_model.0.organization Qwen
expect_proposed Named.gguf \
  'mtpgraft graft Named.gguf --from-base puts in the head of the model that it was made of, by its name probably hf://Qwen/Qwen3.5-9B'
expect_text "$STDERR" '^  - no key names a repository; general.base_model.0.name and the organization make it probably hf://Qwen/Qwen3.5-9B$'
expect_exit 0 "$MTPGRAFT" inspect --json Named.gguf
expect_json "x['result']['files'][0]['base_models'][0]['is_guessed'] is True"
name_bases Elsewhere.gguf base_model.0.name 'Qwen3.5 9B' base_model.0.repo_url https://example.org/Qwen/Qwen3.5-9B
expect_proposed Elsewhere.gguf \
  "mtpgraft graft Elsewhere.gguf DONOR puts a head in, taken from the base model's GGUF"

# What it was converted from, where it names no base.
name_bases Converted.gguf source.repo_url https://huggingface.co/Qwen/Qwen3.5-9B
expect_proposed Converted.gguf \
  'mtpgraft graft Converted.gguf --from-base puts in the head of the model that it was made of, hf://Qwen/Qwen3.5-9B'
name_bases Old.gguf source.huggingface.repository Qwen/Qwen3.5-9B
expect_proposed Old.gguf \
  'mtpgraft graft Old.gguf --from-base puts in the head of the model that it was made of, hf://Qwen/Qwen3.5-9B'

# A merge: a line for each, and none of them is taken.
name_bases 'a merge.gguf' base_model.0.repo_url https://huggingface.co/lab/A base_model.1.repo_url hf.co/lab/B/tree/main \
  base_model.2.name C base_model.1000000.repo_url lab/D base_model.5.repo_url https://huggingface.co/Lab/a
expect_proposed 'a merge.gguf' \
  "mtpgraft graft 'a merge.gguf' DONOR puts a head in, taken from one of the models that it was made of" \
  "mtpgraft graft 'a merge.gguf' hf://lab/A" "mtpgraft graft 'a merge.gguf' hf://lab/B" \
  "mtpgraft graft 'a merge.gguf' hf://lab/D"
expect_exit 2 "$MTPGRAFT" graft --json 'a merge.gguf'
expect_json "[each['path'] for each in x['error']['donors']] == ['hf://lab/A', 'hf://lab/B', 'hf://lab/D']"

# A command is only printed if it works: with a name for the output, and with --replace where there is a head.
of_base X-MTP-Q4_K_M.gguf lab/A
expect_proposed X-MTP-Q4_K_M.gguf \
  'mtpgraft graft X-MTP-Q4_K_M.gguf --from-base -o NEW.gguf puts in the head of the model that it was made of, hf://lab/A'
mkdir headed
run "$MTPGRAFT" graft -q --no-sync X-MTP-Q4_K_M.gguf "$DONOR" -o headed/one.gguf
run "$MTPGRAFT" graft -q --no-sync 'a merge.gguf' "$DONOR" -o headed/merge.gguf
run "$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o headed/none.gguf
expect_exit 2 "$MTPGRAFT" graft headed/one.gguf
expect_stderr <<'END'
mtpgraft: headed/one.gguf: no donor is named, and the target has a head already
  hint: --replace with --from-base puts the head of the model that it was made of, hf://lab/A, in its place (mtpgraft graft --replace headed/one.gguf --from-base)
END
expect_exit 2 "$MTPGRAFT" graft headed/merge.gguf
expect_text "$STDERR" '^  - mtpgraft graft --replace headed/merge.gguf hf://lab/B$'
expect_exit 2 "$MTPGRAFT" graft headed/none.gguf
expect_text "$STDERR" '^mtpgraft: headed/none.gguf: no donor is named, and the target has a head already$'
expect_text "$STDERR" "^  hint: use --replace to put the donor's head in its place\$"
expect_exit 2 "$MTPGRAFT" graft headed/none.gguf --replace
expect_text "$STDERR" '^  hint: name what has the head as DONOR: .*'
rm -r headed X-MTP-Q4_K_M.gguf

# A head is no target, and there is no donor that could change places with it.
for words in '' --from-base; do
  # shellcheck disable=SC2086  # an option or none
  expect_exit 3 "$MTPGRAFT" graft "$DONOR" $words
  expect_stderr <<END
mtpgraft: $DONOR: the target is a head without trunk
  hint: name the model that is to have a head
END
done

# It tells of nothing.
expect_exit 2 "$MTPGRAFT" graft "$TARGET"
expect_stderr <<END
mtpgraft: $TARGET: no donor is named
  hint: name what has the head as DONOR: the base model's GGUF or checkpoint, or its repository, hf://OWNER/NAME
END
expect_exit 2 "$MTPGRAFT" graft missing.gguf
expect_text "$STDERR" '^mtpgraft: DONOR is required$'
expect_exit 2 "$MTPGRAFT" graft --from-base "$TARGET"
expect_stderr <<END
mtpgraft: $TARGET: names no model that it was made of
  hint: name what has the head as DONOR: the base model's GGUF or checkpoint, or its repository, hf://OWNER/NAME
END
expect_exit 2 "$MTPGRAFT" graft --from-base Elsewhere.gguf
expect_text "$STDERR" "^mtpgraft: Elsewhere.gguf: names the base model 'Qwen3.5 9B' .*no repository"
expect_exit 2 "$MTPGRAFT" graft --from-base Tuned.gguf "$DONOR"
expect_text "$STDERR" '^mtpgraft: DONOR excludes --from-base$'

# Names that a shell or a terminal would obey are no repositories, and are shown as what they are.
# shellcheck disable=SC2016  # it is for nobody to expand
for ugly in '$(touch x)/y' 'a/b;touch x' "a/'b" '../..' 'a/b\nhf://c/d' '\x1b[31mred/x' 'a/\u202eb' 'https://huggingface.co/a' \
  'https://huggingface.co/datasets/a/b' 'https://huggingface.co/datasets/a' 'https://u:p@huggingface.co/a/b' 'a/b c'; do
  name_bases ugly.gguf base_model.0.repo_url "$ugly" base_model.0.name "$ugly" base_model.0.organization "$ugly"
  expect_proposed ugly.gguf "mtpgraft graft ugly.gguf DONOR puts a head in, taken from the base model's GGUF"
  expect_no_control_characters "$STDERR"
  expect_exit 2 "$MTPGRAFT" graft --from-base ugly.gguf
  expect_no_control_characters "$STDERR"
done
no_leftovers . "$TARGET" "$DONOR" {Tuned,Named,Elsewhere,Converted,Old,'a merge',ugly}.gguf
