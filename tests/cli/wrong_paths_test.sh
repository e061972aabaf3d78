#!/usr/bin/env bash
# Paths that lead nowhere, or where nothing may be made: what is said of them, for reading and for writing. One table.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR"
mkdir -p home/models models/sub empty
export HOME=$WORK/home
cp -L "$TARGET" 'My Model.gguf'
ln -s ../"$TARGET" models/Other-Q6_K.gguf
ln -s ../../"$TARGET" home/models/x.gguf
ln -s "$TARGET" Big-00001-of-00002.gguf
ln -s nowhere dangling.gguf
echo '{' >plan.json
mkfifo pipe
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'

# hints CODE TEXT ARGUMENT...: a line of stderr is this hint, or begins with it.
hints() {
  expect_exit "$1" timeout 20 "$MTPGRAFT" "${@:3}"
  expect_nothing_on stdout
  grep -Fq -e "  hint: $2" "$STDERR" || {
    fail "no hint '$2': $last_command"
    head -n 4 "$STDERR" >&2
  }
}
# The same hint wherever a file is read, and in JSON.
missing() {
  local text=$1 path=$2
  hints 4 "$text" inspect "$path"
  hints 4 "$text" graft "$TARGET" "$path"
  hints 4 "$text" graft "$path" "$DONOR"
  hints 4 "$text" verify "$path"
  hints 4 "$text" verify "$TARGET" -c "$path"
  hints 4 "$text" inspect "$TARGET" --mmproj "$path"
  hints 4 "$text" release "$path"
  run "$MTPGRAFT" checksum "$path" --json
  python3 - "$STDOUT" "$text" <<'END' || fail "another hint in JSON: $last_command"
import json, sys
sys.exit(not (json.load(open(sys.argv[1]))["error"]["hint"] or "").startswith(sys.argv[2]))
END
}

# What shells, URLs, chats and other systems make of a name.
missing "did you mean '$HOME/models/x.gguf'? no shell expands a ~ in quotes" '~/models/x.gguf'
missing "no shell expands a ~ in quotes, or after =; '$HOME/nope' is not there either" '~/nope'
missing "did you mean '$HOME/models/x.gguf'? no shell expands variables" '$HOME/models/x.gguf'
missing "did you mean '$HOME/models/x.gguf'? no shell expands variables" '${HOME}/models/x.gguf'
missing "a pattern in quotes is not expanded; it matches 'models/Other-Q6_K.gguf'" 'models/*.gguf'
missing "a pattern in quotes is not expanded; it matches 'Big-00001-of-00002.gguf', 'My Model.gguf'" '*.gguf'
missing "nothing in 'empty' matches this pattern" 'empty/*.gguf'
missing "did you mean '$WORK/My Model.gguf'? files of this machine have paths, not URLs" "file://$WORK/My%20Model.gguf"
missing "did you mean 'My Model.gguf'? names have the characters" My%20Model.gguf
missing "did you mean '$TARGET'? there are spaces" "$TARGET "
missing "did you mean '$TARGET'? there are spaces, line ends" "$TARGET"$'\r'
missing "did you mean '$TARGET'? there are spaces, line ends" "$TARGET"$'\n'
missing "did you mean '$TARGET'? there are spaces, line ends, quotes" "'$TARGET'"
missing "did you mean '$TARGET'? there are spaces, line ends, quotes or commas" "$TARGET,"
missing "did you mean '$TARGET'? there is a curly quote (U+201C)" "“$TARGET”"
missing "did you mean '$TARGET'? there is an en dash (U+2013)" "${TARGET/-/–}"
missing "did you mean 'My Model.gguf'? there is a non-breaking space (U+00A0)" $'My\u00a0Model.gguf'
missing "did you mean 'models/Other-Q6_K.gguf'? a backslash" 'models\Other-Q6_K.gguf'
missing "did you mean 'My Model.gguf'? a backslash" 'My\ Model.gguf'
missing 'this is a path of Windows' 'C:\models\x.gguf'
missing "did you mean '$TARGET'? names are given without 'target='" "target=$TARGET"

missing "these are 2 files, and quotes or a comma make one name of them: $TARGET $DONOR" "$TARGET $DONOR"
missing "these are 2 files, and quotes or a comma make one name of them: $TARGET $DONOR" "$TARGET,$DONOR"
missing "if a model of Ollama is meant: ollama show --modelfile llama3:8b prints" llama3:8b
missing 'files of other machines are copied first: scp user@host:models/x.gguf .' user@host:models/x.gguf
missing 'a magnet link is for a BitTorrent program' 'magnet:?xt=urn:btih:00'
hints 4 'of URLs only https://, http:// and hf:// can be read' inspect s3://bucket/x.gguf
missing 'braces in quotes are not expanded' '{a,b}.gguf'
missing '%USERPROFILE% is a variable of Windows' '%USERPROFILE%\x.gguf'
# A list of checksums beside the model is not what was meant.
: >"$TARGET.sha256"
missing "did you mean '$TARGET'?" "$TARGET.gguf"
missing "did you mean '$TARGET'?" "${TARGET/%.gguf/..gguf}"
rm "$TARGET.sha256"
missing 'a pattern in quotes is not expanded: leave the quotes out' 'mod*/Other-Q6_K.gguf'
cp -L "$TARGET" "it's.gguf"
missing "did you mean 'it'\\''s.gguf'?" "its.gguf"
rm "it's.gguf"
# What a variable has may be a secret.
SECRET=hf_verysecret
export SECRET
missing 'no shell expands variables in single quotes' '$SECRET'
missing 'no shell expands variables in single quotes' '${SECRET}/x.gguf'
hints 4 'no shell expands variables in single quotes' graft "$TARGET" "$DONOR" -o '$SECRET/x.gguf'
grep -q "$SECRET" "$STDERR" && fail "tells what a variable has: $last_command"
for path in '$SECRET' '${SECRET}/x.gguf' 'models/$SECRET' '~/$SECRET'; do
  for arguments in "inspect" "graft $TARGET" "release"; do
    # shellcheck disable=SC2086
    run "$MTPGRAFT" $arguments "$path"
    grep -q "$SECRET" "$STDOUT" "$STDERR" && fail "tells what a variable has: $last_command"
  done
done
for path in '~/models/x.gguf' '$HOME/models/x.gguf'; do
  echo "{\"schema_version\": 1, \"grafts\": [{\"target\": \"$path\", \"donor\": \"$DONOR\"}]}" >foreign.json
  run "$MTPGRAFT" release foreign.json
  grep -Fq 'a plan expands neither ~ nor variables: write the path itself' "$STDERR" || fail "another hint: $(cat "$STDERR")"
  grep -Fq "$HOME" "$STDERR" && fail "a plan's path is expanded: $(cat "$STDERR")"
done
rm foreign.json

# What is called nearly so, or is elsewhere.
missing 'the cache of the Hugging Face Hub is ~/.cache/huggingface/hub' models--owner--name
missing "the current folder has 'Big-00001-of-00002.gguf'" nothing-like-it
hints 4 "there is no folder 'modls', but 'models'" graft "$TARGET" modls/t
hints 4 'if the repository of the Hugging Face Hub is meant: hf://owner/name' graft "$TARGET" owner/name
missing "the current folder has 'Big-00001-of-00002.gguf'" Q-00002-of-00002.gguf
expect_exit 4 "$MTPGRAFT" inspect file:
grep -q 'did you mean' "$STDERR" && fail "a name is proposed for none: $(cat "$STDERR")"
missing "did you mean '$TARGET'?" "${TARGET%.gguf}"
missing "did you mean '$TARGET'?" "${TARGET,,}"
missing "did you mean '$TARGET'?" "${TARGET/target/traget}"
missing "did you mean '$TARGET'?" "${TARGET//[-_]/.}"
missing "did you mean 'Big-00001-of-00002.gguf'?" Big.gguf
missing "did you mean 'models/Other-Q6_K.gguf'?" Other-Q6_K.gguf
missing "did you mean 'models/Other-Q6_K.gguf'?" modles/Other-Q6_K.gguf
missing "did you mean 'models/Other-Q6_K.gguf'?" /models/Other-Q6_K.gguf
missing "did you mean 'models/Other-Q6_K.gguf'?" models/gguf/Other-Q6_K.gguf
missing "did you mean '$TARGET'?" "elsewhere/$TARGET"
missing "the folder 'models' has 'Other-Q6_K.gguf'" models/nothing.gguf
missing "the folder 'empty' has no .gguf file" empty/nothing.gguf
missing "there is no folder 'nowhere'" nowhere/a/b.gguf
missing "'plan.json' is a file and no folder" plan.json/x.gguf
missing "it is a symbolic link to 'nowhere', which is not there" dangling.gguf
missing 'shorten it: a name has 255 bytes at most' "$(printf 'n%.0s' {1..256})"
hints 4 "did you mean 'plan.json'?" release plna.json
hints 4 'the name is empty: is a variable of the shell not set?' inspect ''
hints 4 'files are read at many offsets, which standard input does not have' inspect -
for path in pipe socket /dev/null; do
  hints 4 'GGUF files are read at many offsets; give a file' inspect "$path"
done
# A pattern of an option is still one.
hints 4 "a pattern belongs to its option: --tensors='blk.8.*'" inspect 'blk.8.*'
# Of a missing file of a split model the others are no help.
cp "$FIXTURES_DIR"/split/four-Q4_K_M-0000[134]-of-00004.gguf models
expect_exit 4 "$MTPGRAFT" inspect models/four-Q4_K_M-00001-of-00004.gguf
grep -q 'did you mean' "$STDERR" && fail "another file of the model is proposed for the missing one"

# Names that others chose reach neither a terminal nor JSON as they are.
mkdir hostile
ln -s ../"$TARGET" hostile/$'Modal\e[2J\xff.gguf'
ln -s ../"$TARGET" hostile/$'Model\n\u202e.gguf'
hints 4 'did you mean ' inspect hostile/Model
expect_no_control_characters "$STDERR"
expect_exit 4 "$MTPGRAFT" inspect hostile/nothing.gguf --json
python3 -c 'import json, sys; json.load(open(sys.argv[1], encoding="utf-8"))' "$STDOUT" || fail "no JSON: $last_command"
rm -r hostile

# Outputs, and their checksums.
for list in "" "--checksums"; do
  # shellcheck disable=SC2206
  place=(-o) other='or give another name with -o'
  [[ -z $list ]] || { place=(-o out.gguf --checksums) other='or give --checksums another name'; }
  hints 4 "make it first: mkdir -p none/a, $other" graft "$TARGET" "$DONOR" "${place[@]}" none/a/x.gguf
  hints 4 "did you mean '$HOME/models/y.gguf'? no shell expands a ~" graft "$TARGET" "$DONOR" "${place[@]}" '~/models/y.gguf'
  hints 4 "make it first: mkdir -p $HOME/none, $other" graft "$TARGET" "$DONOR" "${place[@]}" '~/none/y.gguf'
  hints 4 "'plan.json' is a file and no folder, $other" graft "$TARGET" "$DONOR" "${place[@]}" plan.json/x.gguf
  hints 4 'shorten it: a name has 255 bytes at most' graft "$TARGET" "$DONOR" "${place[@]}" "$(printf 'n%.0s' {1..256})"
done
hints 4 "make it first: mkdir -p none, or give another name with -o" extract "$DONOR" -o none/x.gguf
hints 5 'give a file name with -o' graft "$TARGET" "$DONOR" -o empty/
hints 5 'give the output a name with -o' graft "$TARGET" "$DONOR" -o pipe --force
hints 5 'give the output a name with -o' graft "$TARGET" "$DONOR" -o pipe
hints 5 'give the output a name with -o' graft "$TARGET" "$DONOR" -o /dev/full
# Names that nobody means, and what would write them all the same.
wrong_name() {
  local list
  for list in -o '-o out.gguf --checksums'; do
    # shellcheck disable=SC2086
    hints 2 "$1" graft "$TARGET" "$DONOR" $list "$2"
  done
  hints 2 "$1" extract "$DONOR" -o "$2"
}
wrong_name "did you mean '/mnt/c/out/x.gguf'? drives are folders here" 'C:\out\x.gguf'
wrong_name "did you mean '/mnt/c/out/x.gguf'? drives are folders here" C:/out/x.gguf
wrong_name "did you mean 'nodir/x.gguf'? a backslash is no separator here" 'nodir\x.gguf'
wrong_name "did you mean 'x.gguf'? there are spaces, line ends, quotes or commas" '"x.gguf"'
wrong_name "did you mean 'x.gguf'? there are spaces, line ends, quotes or commas" 'x.gguf,'
wrong_name "did you mean 'x.gguf'? names are given without '='" =x.gguf
wrong_name 'give the name of a file; to have just this name, write ./--force' --force
wrong_name 'give the name of a file' https://huggingface.co/x/y.gguf
wrong_name 'give the name of a file' hf://x/y
for name in '"x.gguf"' =x.gguf --force 'a\b.gguf'; do
  expect_exit 0 "$MTPGRAFT" extract -q --no-sync "$DONOR" -o "./$name"
  [[ -f ./$name ]] || fail "no output of the name that was asked for: $name"
  rm "./$name"
done
cp -L "$DONOR" list.gguf
hints 5 'inputs are never written; give the checksums another name' graft -f "$TARGET" list.gguf -o out.gguf --checksums list.gguf
rm list.gguf
hints 5 'give the checksums the name of a file' graft -f "$TARGET" "$DONOR" -o out.gguf --checksums empty
cat >bad.json <<END
{"schema_version": 1, "output_directory": "none/out", "grafts": [{"target": "$TARGET", "donor": "$DONOR"}]}
END
hints 4 'make it first: mkdir -p none, or give the plan another output_directory' release bad.json
no_leftovers . "$TARGET" "$DONOR" 'My Model.gguf' Big-00001-of-00002.gguf dangling.gguf models home empty pipe socket \
  plan.json bad.json

# The whole system is not looked through.
(cd / && "$MTPGRAFT" inspect status 2>"$STDERR") && fail "a file of / was found"
grep -q 'did you mean' "$STDERR" && fail "the folders of / are looked through: $(cat "$STDERR")"

# Permissions are those of a user who is not root.
[[ $(id -u) == 0 ]] || { skip_part "other users: only root can be them"; exit 0; }
chmod 711 "$SCRATCH"
chmod 755 .
cp -L "$MTPGRAFT" "$SCRATCH/mtpgraft"
cp --remove-destination -L "$MODELS_DIR/$TARGET" "$MODELS_DIR/$DONOR" .
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
as_nobody test -x "$SCRATCH/mtpgraft" || { skip_part "other users cannot run the program"; exit 0; }
denied() {
  expect_exit 4 as_nobody "$SCRATCH/mtpgraft" "${@:2}"
  expect_text "$STDERR" ": Permission denied\$"
  grep -Fq -e "  hint: $1" "$STDERR" || fail "no hint '$1': $last_command: $(cat "$STDERR")"
}
install -m 600 "$TARGET" theirs.gguf
install -m 000 -o 65534 "$TARGET" own.gguf
install -d -m 700 closed
install -m 644 "$TARGET" closed/x.gguf
install -d -m 555 -o 65534 readonly
denied "you may not read 'theirs.gguf': ask its owner, or root" inspect theirs.gguf
denied "chmod u+r own.gguf lets you read it" inspect own.gguf
denied "you may not look into 'closed': ask its owner, or root" inspect closed/x.gguf
denied "you may not write to '.': ask its owner, or root, or give another name with -o" graft "$TARGET" "$DONOR"
denied "chmod u+w readonly lets you write to it, or give another name with -o" graft "$TARGET" "$DONOR" -o readonly/x.gguf
denied "you may not look into 'closed': ask its owner, or root, or give another name" graft "$TARGET" "$DONOR" -o closed/y.gguf
denied "you may not look into 'closed': ask its owner, or root" strip closed/x.gguf --in-place
denied "you may not look into 'closed': ask its owner, or root" recover closed/x.gguf
denied "you may not look into 'closed': ask its owner, or root" inspect closed/
expect_exit 0 "$MTPGRAFT" graft -q "$TARGET" "$DONOR" -o fixed.gguf
chmod 644 fixed.gguf
is_plain_posix ||
  denied "you may not write to 'fixed.gguf': ask its owner, or root" strip fixed.gguf --in-place
