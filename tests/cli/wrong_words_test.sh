#!/usr/bin/env bash
# Words in the wrong place: what the command line answers to what a tired user types. One table.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR"
cp -L "$TARGET" 'My Model.gguf'
T=$TARGET
D=$DONOR

# says CODE TEXT ARGUMENT...: the text is a part of one line, on stdout or stderr.
says() {
  local expected=$1 text=$2
  shift 2
  expect_exit "$expected" "$MTPGRAFT" "$@"
  cat "$STDOUT" "$STDERR" | grep -Fq -e "$text" || {
    fail "does not say '$text': $last_command"
    head -n 5 "$STDOUT" "$STDERR" >&2
  }
}
# hints TEXT ARGUMENT...: as a usage error, and in JSON.
hints() {
  says 2 "$1" "${@:2}"
  expect_nothing_on stdout
  grep '^  hint: ' "$STDERR" | grep -Fq -e "$1" || fail "no hint '$1': $last_command"
  [[ $("$MTPGRAFT" "${@:2}" --json 2>&1 || true) == *'"ok":false,"error":{"code":"usage",'*'"hint":"'* ]] ||
    fail "no hint in JSON: $last_command"
}

# Options of every command stand before it, too.
says 0 '"command":"inspect","ok":true' --json inspect "$T"
says 0 '"command":"inspect","ok":true' --quiet --json inspect "$T"
expect_exit 0 "$MTPGRAFT" -q graft "$T" "$D"
expect_nothing_on stdout stderr
rm "$GRAFT"
expect_exit 4 "$MTPGRAFT" --progress=none checksum missing
says 2 '"hint":"did you mean '"'inspect'? mtpgraft inspect --json $T" --json list "$T"
hints "put it after the command: mtpgraft graft --force $T $D" --force graft "$T" "$D"
hints "put it after the command: mtpgraft graft -o x.gguf $T $D" -o x.gguf graft "$T" "$D"
hints "did you mean '--force'? mtpgraft graft --force a b" --overwrite graft a b
hints 'mtpgraft --help lists the commands' --bogus

# Commands by other names, and files without one.
while read -r word command; do
  hints "did you mean '$command'?" "$word" "$T"
done <<'END'
list inspect
ls inspect
show inspect
info inspect
dump inspect
Inspect inspect
inpsect inspect
--inspect inspect
remove strip
rm strip
uninstall strip
delete strip
check verify
test verify
validate verify
diff verify
add graft
merge graft
apply graft
install graft
get extract
download extract
fetch extract
hash checksum
sha256 checksum
md5 checksum
batch release
undo strip
restore strip
revert strip
rollback strip
END
hints "did you mean 'inspect'? mtpgraft inspect $T" list "$T"
hints "did you mean 'graft'? mtpgraft graft --force $T $D" merge --force "$T" "$D"
hints "did you mean 'strip'? mtpgraft strip x.gguf -o NEW.gguf" rm x.gguf
hints "did you mean 'inspect'? mtpgraft inspect 'My Model.gguf'" show 'My Model.gguf'
hints 'mtpgraft does not update itself' update
hints "llama.cpp's llama-gguf-split splits and joins models" split "$T"
for word in fix repair; do
  hints 'mtpgraft inspect FILE says what is wrong with a model' "$word" "$T"
done
hints 'mtpgraft graft --dry-run TARGET DONOR shows what would be done' plan "$T" "$D"
hints 'mtpgraft verify GRAFT --target TARGET --donor DONOR' compare "$T" "$D"
hints "the command stands there twice: mtpgraft graft $T $D" graft graft "$T" "$D"
hints "did you mean 'graft'? mtpgraft graft $T $D" release "$T" "$D"
hints "mtpgraft inspect $T" "$T"
hints "mtpgraft graft $T $D" "$T" "$D"
hints "mtpgraft graft --replace $T $D" --replace "$T" "$D"
hints 'mtpgraft release PLAN.json' PLAN.json
hints "did you mean 'release'? mtpgraft release PLAN.json" graft PLAN.json
hints "the command comes first: mtpgraft inspect $T" "$T" inspect
hints "mtpgraft inspect $T" mtpgraft inspect "$T"
hints "quotes make one word of it: mtpgraft inspect $T" "inspect $T"

# Version and help.
for arguments in version -V -v --version; do
  says 0 'compiler ' "$arguments"
done
says 0 '"command":"version"' version --json
for arguments in '-h graft' '--help graft' 'help graft' 'graft help' 'graft -h' 'graft -help'; do
  # shellcheck disable=SC2086
  says 0 'Usage: mtpgraft graft ' $arguments
done
says 0 'Usage: mtpgraft [OPTIONS] SUBCOMMAND' help
says 2 "did you mean 'inspect'? mtpgraft inspect --help" help list
says 2 'mtpgraft --version' inspect "$T" --version
says 2 "did you mean '--version'?" --verison
says 2 'the command is missing' -q

# Options that a command has by another name, or another command has.
while read -r given meant; do
  hints "did you mean '$meant'?" graft a b "$given"
done <<'END'
--in-palce --in-place
--dryrun --dry-run
--dry_run --dry-run
--DRY-RUN --dry-run
-dry-run --dry-run
--overwrite --force
--forec --force
-force --force
-F -f
--verb --verbose
--silent --quiet
END
hints "did you mean '--output'? mtpgraft graft a b --output x.gguf" graft a b --out x.gguf
hints "did you mean '--output'? mtpgraft graft a b --output=x.gguf" graft a b --outfile=x.gguf
hints "did you mean '--output'? mtpgraft graft a b --output x.gguf" graft a b -output x.gguf
hints "did you mean '--head-type'? mtpgraft graft a b --head-type q8_0" graft a b --type q8_0
hints "did you mean '--kv'?" inspect "$T" --metadata
hints "did you mean '--jobs'? mtpgraft release p.json --jobs 4" release p.json --threads 4
hints "did you mean '--clear'? mtpgraft cache --clear" cache clear
hints 'that is an option of llama-server' graft a b --draft-n 3
hints "mtpgraft graft $T $D" graft --donor "$D" --target "$T"
hints "mtpgraft inspect $T" inspect -m "$T"
hints "mtpgraft graft $T $D" graft -m "$T" -md "$D"
hints "mtpgraft extract $D --for $T -o e.gguf" extract "$T" --from "$D" -o e.gguf
hints 'that is an option of llama-server' graft "$T" "$D" -ngl 99
says 2 "unknown option '-ngl'" graft "$T" "$D" -ngl 99
hints "leave it out: mtpgraft graft $T $D -n" graft -- "$T" "$D" -n
expect_exit 0 "$MTPGRAFT" graft -n -q -- "$T" "$D"
hints '--kv, which lists all keys, and --tensors' inspect "$T" --all
hints "the files stand without such a word: mtpgraft inspect $T" inspect "$T" --head
hints "did you mean '--target'?" verify "$T" --original "$D"
hints "did you mean '--check'?" verify "$T" --checksums x.sums
hints 'mtpgraft verify FILE -c -' verify "$T" --sha256 00
hints "it prints, which a shell puts into a file: mtpgraft checksum $T > x.sums" checksum "$T" -o x.sums
hints "it prints, which a shell puts into a file: mtpgraft inspect $T --kv > x" inspect "$T" -o x --kv
hints '"output_directory": "DIR"' release plan.json -o out
hints '"options": {"head_type": ...}' release plan.json --head-type q8_0
says 2 "unknown option '--strict': strip does not have it, but graft" strip a -o x --strict
[[ ! -e rce && ! -e utput ]] || fail "-force or -output was taken for -o"

# Values and arguments.
says 2 '--output is given more than once' graft a b -o x -o y
says 2 "--yarn: 'x' is not a number" graft a b --yarn x
says 2 "--force takes no value, and 'maybe' is one" graft a b --force=maybe
says 2 "did you mean 'sha256'?" checksum a --algorithm SHA265
hints "did you mean '-o c.gguf'? mtpgraft graft a b -o c.gguf" graft a b c.gguf
hints 'what it was made of is given as --target FILE --donor FILE' verify a b c
hints 'what it was made of is given as --target FILE --donor FILE' verify "$T" "$D"
hints "did you mean '-c a.sums'? mtpgraft verify a -c a.sums" verify a a.sums
hints "a name with spaces needs quotes: mtpgraft checksum 'My Model.gguf'" checksum My Model.gguf

# No line that would replace a file which is there.
for arguments in "strip -f $D $T" "extract -f $D $T" "graft -f $T $D $MODELS_DIR/$T"; do
  # shellcheck disable=SC2086
  hints 'is too many: mtpgraft ' $arguments
  grep -Fq -e ' -o ' "$STDERR" && fail "a file that is there is proposed as the output: $last_command"
done
hints "it is given twice, and once is enough: mtpgraft graft $T $D" graft "$T" "$D" "$D"
hints "'+' is taken for a file; leave it out: mtpgraft graft $T $D" graft "$T" + "$D"
hints "'into' is taken for a file; leave it out: mtpgraft graft -f $T $D" graft -f "$T" into "$D"

# No line with what may be a password or a signature, in JSON neither.
url='https://user:secret@h/x.gguf?sig=secret'
for arguments in "grft $T $url" "graft $T $D $url" "$url" "$T $url" "-f graft $T $url" "graft --base $T --donor $url" \
  "graft $T $url --overwrite" "mtpgraft graft $T $url" "graft –f $T $url" "inspect$(printf '\u00a0')$url" "release $url a" \
  "graft --donro=$url $T" "graft $url $T" "verify $T --target $D --donor $url"; do
  for json in "" --json; do
    # shellcheck disable=SC2086
    timeout 20 "$MTPGRAFT" $arguments $json >"$STDOUT" 2>"$STDERR" || true
    grep -q secret "$STDOUT" "$STDERR" && fail "tells a secret: $arguments $json: $(cat "$STDOUT" "$STDERR")"
  done
done
hints "did you mean 'graft'? mtpgraft graft $T hf://a/b@v1" grft "$T" hf://a/b@v1

# Words that no option stands for.
hints 'nothing is asked: leave it out' graft "$T" "$D" --yes
hints 'nothing is asked: leave it out' graft "$T" "$D" -y
hints 'inputs are kept anyway' strip "$T" --keep
hints '-o names the output' graft "$T" "$D" --name x
hints 'mtpgraft cache --clear' clean
says 2 "--head-type bogus: there is no such tensor type" graft "$D" "$T" --head-type bogus
"$MTPGRAFT" verify "$T" -c - <"$T" >"$STDOUT" 2>"$STDERR" || true
grep -Fq 'mtpgraft checksum FILE > LIST' "$STDERR" || fail "another hint of a GGUF on standard input: $(cat "$STDERR")"

# Characters that only look like those of a keyboard, but not in the name of a file that is there, or in a value.
cp -L "$TARGET" 'an–other.gguf'
for arguments in "inspect an–other.gguf --tensor" "graft an–other.gguf $D --forec" "graft $T $D --set a=str:– x y" \
  "strip an–other.gguf $T -o x"; do
  # shellcheck disable=SC2086
  run "$MTPGRAFT" $arguments
  grep -Fq 'there is an en dash' "$STDERR" && fail "a character that is no fault is named as one: $last_command"
done
rm 'an–other.gguf'
hints "there is an em dash (U+2014) in '—bogus': type the word anew" graft "$T" "$D" —bogus
hints "there is an em dash (U+2014) in '—force'; typed anew: mtpgraft graft $T --force $D" graft "$T" —force "$D"
hints "there is an en dash (U+2013) in '–n'; typed anew: mtpgraft graft -n $T $D" graft –n "$T" "$D"
hints "there is an en dash (U+2013) in '–-quiet'; typed anew: mtpgraft checksum --quiet a" checksum –-quiet a
hints "typed anew: mtpgraft graft $T $D" graft "$T"$'\u00a0'"$D"
hints "typed anew: mtpgraft inspect $T" "inspect"$'\u00a0'"$T"
hints "there is a non-breaking hyphen (U+2011) in '--dry‑run'; typed anew: mtpgraft graft a b --dry-run" graft a b --dry‑run
hints "there is a curly quote (U+201C) in '“My'; typed anew: mtpgraft checksum 'My Model.gguf'" checksum “My Model.gguf”
says 4 'if an option is meant: --json' inspect "$T" —json

# Names in each other's places.
says 3 "the model comes first, the head's donor second: $T $D" graft "$D" "$T"
expect_exit 0 "$MTPGRAFT" graft -q "$T" "$D"
says 3 "the model comes first, the head's donor second: $T $GRAFT" graft "$GRAFT" "$T"
says 3 "second: $T $GRAFT" graft --replace "$GRAFT" "$T"
says 4 "second: $T $MODELS_DIR/hf-base-8L" graft "$MODELS_DIR/hf-base-8L" "$T"
says 4 "second: $T hf://a/b" graft hf://a/b "$T"
right="mtpgraft verify $GRAFT --target $T --donor $D"
expect_exit 0 "$MTPGRAFT" verify "$GRAFT" --target "$T" --donor "$D"
says 2 "$right" verify "$GRAFT" --target "$D" --donor "$T"
says 2 "$right" verify "$T" --target "$GRAFT" --donor "$D"
says 2 "$right" verify "$T" --target "$D" --donor "$GRAFT"
says 2 "$right" verify "$D" --target "$T" --donor "$GRAFT"
says 2 "$right" verify "$D" --target "$GRAFT" --donor "$T"
"$MTPGRAFT" checksum "$T" >T.sums
says 2 "mtpgraft verify $T -c T.sums" verify T.sums -c "$T"
says 3 "make a list of it: mtpgraft checksum $T > LIST" verify "$GRAFT" -c "$T"
says 3 "is a GGUF, and no plan" release "$T"
says 3 "one graft needs none" release "$T"
no_leftovers . "$T" "$D" "$GRAFT" 'My Model.gguf' T.sums
