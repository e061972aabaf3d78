#!/usr/bin/env bash
# A plan that a person has written with a mistake: where it is, and how to mend it.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR"

# says TEXT HINT < plan
says() {
  cat >PLAN.json
  expect_exit 3 "$MTPGRAFT" release PLAN.json
  expect_nothing_on stdout
  grep -Fq -e "$1" "$STDERR" && grep -Fq -e "  hint: $2" "$STDERR" || {
    fail "does not say '$1' and '$2' of: $(head -c 200 PLAN.json)"
    head -n 4 "$STDERR" >&2
  }
}
at() { says "PLAN.json: is not JSON: parse error at line $1, column $2: $3" "$4"; }
at 2 34 "there is a comma before ']'" 'take the comma out' <<END
{"schema_version": 1, "grafts": [
  {"target": "a", "donor": "b"}, ]}
END
at 1 23 "there is a comma before '}'" 'take the comma out' <<<'{"schema_version": 1, }'
at 1 2 'there is a single quote' 'strings of JSON have double quotes' <<<"{'schema_version': 1}"
at 2 1 'there is a comment' 'JSON has none: take it out' <<<$'{\n// the plan\n"schema_version": 1}'
at 1 22 'there is a comment' 'JSON has none: take it out' <<<'{"schema_version": 1 /* yes */}'
at 1 22 'there is no comma between two values' 'write a comma before this one' <<<'{"schema_version": 1 "grafts": []}'
at 1 2 'there is a field whose name has no quotes' 'names of fields have double quotes: "schema_version"' <<<'{schema_version: 1}'
at 1 2 'there is a curly quote (U+201C)' 'type it anew' <<<'{“schema_version”: 1}'
at 1 25 "there is 'True'" 'JSON writes true' <<<'{"options": {"strict":  True}}'
at 1 24 "there is 'None'" 'JSON writes null' <<<'{"options": {"strict": None}}'
at 1 15 'there is a backslash in a string' 'write / in paths' <<<'{"target": "C:\models\x.gguf"}'
at 1 23 "it ends before the '{' of line 1, column 1 is closed" 'something is missing at the end' < <(printf '{"schema_version": 1, ')
says 'is UTF-16' 'save it as UTF-8' < <(printf '\xff\xfe{\0}\0')
says 'PLAN.json: is empty' 'a plan is a JSON file' </dev/null
says 'is not JSON' 'a plan is a JSON file' <<<$'schema_version: 1\ngrafts:\n  - target: a'
says 'is not JSON' 'a plan is a JSON file' <<<$'target,donor\na,b'
says 'the plan: must be an object' 'put the list into one: {"schema_version": 1, "grafts": [...]}' <<<'[{"target": "a", "donor": "b"}]'

says '/grafts/0: must be an object' 'such as {"target": ' <<<'{"schema_version": 1, "grafts": ["T.gguf"]}'

field() {
  says "$1: there is no such field" "$2" <<<"{\"schema_version\": 1, \"grafts\": [{\"target\": \"a\", \"donor\": \"b\", $3}]}"
}
field /grafts/0/donor-path 'did you mean donor?' '"donor-path": "x"'
field /grafts/0/model 'did you mean target?' '"model": "x"'
field /grafts/0/outputs 'did you mean output?' '"outputs": "x"'
field /grafts/0/head_type 'put it into "options": {"head_type": ...}' '"head_type": "q8_0"'
field /grafts/0/options/head-type 'did you mean head_type?' '"options": {"head-type": "q8_0"}'
field /grafts/0/options/--head-type 'did you mean head_type?' '"options": {"--head-type": "q8_0"}'
field /grafts/0/options/dtype 'did you mean head_type?' '"options": {"dtype": "q8_0"}'
field /grafts/0/options/force 'it is an option of the command, not a field of the plan' '"options": {"force": true}'
says '/output_dir: there is no such field' 'did you mean output_directory?' <<<'{"schema_version": 1, "output_dir": "x", "grafts": []}'
says '/target: there is no such field' '"target" belongs to an entry of "grafts"' <<<'{"schema_version": 1, "target": "x"}'
says '/grafts/0/options/strict: must be true or false' 'without quotes: true' \
  <<<'{"schema_version": 1, "grafts": [{"target": "a", "donor": "b", "options": {"strict": "true"}}]}'

# Only if it is right then.
for option in '"strict": "yes"' '"strict": "1"' '"norm_offset": "1.5"' '"norm_offset": "one"' '"yarn": "four"' '"yarn": "inf"' \
  '"yarn": "0x4"' '"yarn": "+4"'; do
  echo "{\"schema_version\": 1, \"grafts\": [{\"target\": \"a\", \"donor\": \"b\", \"options\": {$option}}]}" >PLAN.json
  expect_exit 3 "$MTPGRAFT" release PLAN.json
  grep -q 'without quotes' "$STDERR" && fail "is not right without quotes, either: $option"
done
says '/grafts/0/options/yarn: must be a number' 'without quotes: 1.5' \
  <<<'{"schema_version": 1, "grafts": [{"target": "a", "donor": "b", "options": {"yarn": "1.5"}}]}'

# A byte order mark is no fault.
printf '\xef\xbb\xbf{"schema_version": 1, "grafts": [{"target": "%s", "donor": "%s"}]}' "$TARGET" "$DONOR" >PLAN.json
expect_exit 0 "$MTPGRAFT" release -n PLAN.json
# The same in JSON.
printf '{"schema_version": 1,}' >PLAN.json
expect_exit 3 "$MTPGRAFT" release --json PLAN.json
expect_text "$STDOUT" '"offset":21,"hint":"take the comma out"'
