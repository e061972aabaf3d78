#!/usr/bin/env bash
# graft --set-file: a key has the text of a file, exactly; what is no text is refused.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR"
inputs=("$TARGET" "$DONOR" template.jinja)
KEY=tokenizer.chat_template
printf '{%% for m in messages %%}\n\t"%s" \\n{{ m }}\r\n{%% endfor %%}' 'Grüße = "ja"' >template.jinja

expect_exit 0 "$MTPGRAFT" graft "$TARGET" "$DONOR" --set-file "$KEY=template.jinja" -o out.gguf
expect_nothing_on stderr
expect_text "$STDOUT" "^  $KEY +string +.* ->  \"\\{% for m in messages %\\}"
expect_text "$STDOUT" "^  mtpgraft verify out.gguf --target $TARGET --donor $DONOR --allow-edits\$"
expect_exit 0 "$MTPGRAFT" verify -q out.gguf --target "$TARGET" --donor "$DONOR" --allow-edits
expect_exit 1 "$MTPGRAFT" verify -q out.gguf --target "$TARGET" --donor "$DONOR"
expect_exit 0 "$MTPGRAFT" inspect --json --kv out.gguf
json "[k['value'] for k in x['result']['files'][0]['keys'] if k['key'] == '$KEY'][0]" >"$SCRATCH/value"
python3 - "$SCRATCH/value" <<'PYTHON' || fail "another value: $(cat "$SCRATCH/value")"
import sys

assert open(sys.argv[1], newline="").read().removesuffix("\n") == open("template.jinja", newline="").read()
PYTHON
expect_exit 0 "$MTPGRAFT" strip -q out.gguf -o back.gguf
expect_same back.gguf "$TARGET"
# It is what --set gives the same text.
expect_exit 0 "$MTPGRAFT" graft -q "$TARGET" "$DONOR" --set "$KEY=str:$(cat template.jinja)" -o set.gguf
expect_same out.gguf set.gguf
rm out.gguf back.gguf set.gguf

# In the order given, together with --set and --unset; an empty file is an empty text.
: >empty
last() { json "[k['value'] for k in x['result']['files'][0]['keys'] if k['key'] == 'a.b']"; }
expect_exit 0 "$MTPGRAFT" graft -q "$TARGET" "$DONOR" --set a.b=str:x --set-file a.b=empty -o out.gguf
expect_exit 0 "$MTPGRAFT" inspect --json --kv out.gguf
[[ $(last) == "['']" ]] || fail "another value: $(last)"
expect_exit 0 "$MTPGRAFT" graft -qf "$TARGET" "$DONOR" --set-file a.b=empty --set a.b=str:y --set-file "$KEY=empty" --unset "$KEY" -o out.gguf
expect_exit 0 "$MTPGRAFT" inspect --json --kv out.gguf
[[ $(last) == "['y']" ]] || fail "another value: $(last)"
[[ $(json "[k for k in x['result']['files'][0]['keys'] if k['key'] == '$KEY']") == '[]' ]] || fail "the key is there"
rm out.gguf empty

# Refusals leave nothing behind, and the text is never written over.
expect_refusal() {
  local expected=$1 message=$2
  shift 2
  expect_exit "$expected" "$MTPGRAFT" graft "$TARGET" "$DONOR" "$@"
  expect_nothing_on stdout
  expect_text "$STDERR" "^mtpgraft: $message"
  no_leftovers . "${inputs[@]}"
}
for text in '' x x= =template.jinja; do
  expect_refusal 2 "'$text' is not KEY=FILE \\(for example $KEY=template.jinja\\)" -o out.gguf --set-file "$text"
done
expect_refusal 2 '--set-file needs a value' --set-file
expect_refusal 2 "key 'general.architecture' cannot be set or unset" --set-file general.architecture=template.jinja
expect_refusal 4 'none.jinja: ' --set-file "$KEY=none.jinja"
expect_refusal 4 '\.: is a directory$' --set-file "$KEY=."
expect_text "$STDERR" '^  hint: name the text file in it$'
printf 'a\0b' >nul.txt
printf 'a\xffb' >latin.txt
truncate -s 17000000 long.txt
ln -s nul.txt link.txt
inputs+=(nul.txt latin.txt long.txt link.txt)
expect_refusal 3 'nul.txt: --set-file tokenizer.chat_template: has a zero byte, which no text has \(at byte 1\)$' --set-file "$KEY=nul.txt"
expect_refusal 3 'link.txt: --set-file tokenizer.chat_template: has a zero byte' --set-file "$KEY=link.txt"
expect_refusal 3 'latin.txt: --set-file tokenizer.chat_template: is not UTF-8$' --set-file "$KEY=latin.txt"
expect_refusal 3 'long.txt: --set-file tokenizer.chat_template: has 16.2 MiB, and a key.s text at most 16.0 MiB$' --set-file "$KEY=long.txt"
expect_refusal 3 "$TARGET: " --set-file "$KEY=$TARGET"
cp template.jinja kept
inputs+=(kept)
expect_refusal 5 'template.jinja: ' --set-file "$KEY=template.jinja" -f -o template.jinja
expect_refusal 5 'template.jinja: ' --set-file "$KEY=template.jinja" -f -o out.gguf --checksums template.jinja
expect_same template.jinja kept

# In a plan the file is relative to PLAN.json, and the line that makes the graft alone names it.
mkdir plan
cp template.jinja plan/
cat >plan/PLAN.json <<END
{"schema_version": 1, "output_directory": "out",
 "grafts": [{"target": "../$TARGET", "donor": "../$DONOR", "options": {"set_file": ["$KEY=template.jinja"], "set": ["a.b=str:x"]}}]}
END
expect_exit 0 "$MTPGRAFT" release --no-sync plan/PLAN.json
expect_exit 0 "$MTPGRAFT" graft -q "$TARGET" "$DONOR" --set a.b=str:x --set-file "$KEY=template.jinja" -o out.gguf
expect_same plan/out/"$GRAFT" out.gguf
python3 - "$MTPGRAFT" <<'PYTHON' || fail "the command of release.json makes another graft"
import json, shlex, subprocess, sys

command = shlex.split(json.load(open("plan/out/release.json"))["grafts"][0]["command"])
assert "--set-file=tokenizer.chat_template=template.jinja" in command, command
command[command.index("-o") + 1] = "again.gguf"
subprocess.run([sys.argv[1], *command[1:], "-q"], cwd="plan", check=True)
PYTHON
expect_same plan/again.gguf out.gguf
# It is finished, until the text is another.
expect_exit 0 "$MTPGRAFT" release --no-sync plan/PLAN.json
echo more >>plan/template.jinja
expect_exit 5 "$MTPGRAFT" release --no-sync plan/PLAN.json
rm plan/template.jinja
expect_exit 4 "$MTPGRAFT" release --no-sync plan/PLAN.json
expect_text "$STDERR" '^mtpgraft: plan/template.jinja: '
sed -i 's/template.jinja"/"/' plan/PLAN.json
expect_exit 3 "$MTPGRAFT" release --no-sync plan/PLAN.json
expect_text "$STDERR" "^mtpgraft: plan/PLAN.json: /grafts/0/options/set_file/0: '$KEY=' is not KEY=FILE"
