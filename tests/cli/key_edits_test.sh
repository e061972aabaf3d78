#!/usr/bin/env bash
# graft --set, --unset and --yarn: what they change is told, proved by verify, and undone by strip.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR"
inputs=("$TARGET" "$DONOR")

expect_exit 0 "$MTPGRAFT" graft "$TARGET" "$DONOR" --yarn 4 --set general.name=str:New --unset tokenizer.chat_template \
  --set 'general.tags=str[]:["a","b"]' --set qwen35.rope.scaling.factor=f32:8 -o out.gguf
expect_nothing_on stderr
expect_stdout <<END_OF_TEXT
target  $TARGET  qwen35  12 trunk blocks, no head
donor   $DONOR   qwen35  sidecar, a head without trunk: blk.8: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
output  out.gguf                qwen35  177 tensors, 7.4 MiB (7774208 bytes), head at blk.12
keys
  qwen35.block_count                           u32       12                                                                                          ->  13
  qwen35.nextn_predict_layers                  u32       new                                                                                         ->  1
  qwen35.rope.scaling.type                     string    new                                                                                         ->  "yarn"
  qwen35.rope.scaling.original_context_length  u32       new                                                                                         ->  4096
  qwen35.context_length                        u32       4096                                                                                        ->  16384
  general.name                                 string    "tiny-qwen35-target-12L"                                                                    ->  "New"
  tokenizer.chat_template                      string    "{% for m in messages %}<|im_start|>{{ m.role }}\\n{{ m.content }}<|im_end|... (149 bytes)"  ->  none
  general.tags                                 string[]  new                                                                                         ->  ["a", "b"]
  qwen35.rope.scaling.factor                   f32       new                                                                                         ->  8
  mtpgraft.record                              string    new                                                                                         ->  origin, old values, digest of the head
7.4 MiB in N s: WAYS; to draft with it:
  llama-server -m out.gguf --spec-type draft-mtp --spec-draft-n-max 2
to prove it byte for byte:
  mtpgraft verify out.gguf --target $TARGET --donor $DONOR --allow-edits
END_OF_TEXT
expect_exit 0 "$MTPGRAFT" inspect --json --kv out.gguf
[[ $(json '[(k["key"], k["type"], k["value"]) for k in x["result"]["files"][0]["keys"] if "rope.scaling" in k["key"] or k["key"] in ("general.name", "general.tags", "qwen35.context_length", "tokenizer.chat_template")]') == \
  "[('general.name', 'string', 'New'), ('qwen35.context_length', 'u32', 16384), ('qwen35.rope.scaling.type', 'string', 'yarn'), ('qwen35.rope.scaling.factor', 'f32', 8.0), ('qwen35.rope.scaling.original_context_length', 'u32', 4096), ('general.tags', 'array', ['a', 'b'])]" ]] ||
  fail "other keys: $(json '[(k["key"], k["type"], k["value"]) for k in x["result"]["files"][0]["keys"]][:3]')"

# The record has what verify needs to make the same file again, and strip to go back.
expect_exit 0 "$MTPGRAFT" verify out.gguf
expect_exit 0 "$MTPGRAFT" verify -q out.gguf --target "$TARGET" --donor "$DONOR" --allow-edits
expect_nothing_on stdout stderr
expect_exit 0 "$MTPGRAFT" strip -q out.gguf -o back.gguf
expect_nothing_on stdout stderr
expect_same back.gguf "$TARGET"
rm back.gguf

# A second extension starts from the context that the model was trained with; strip goes back to the very first.
expect_exit 0 "$MTPGRAFT" graft --replace --yarn 2 out.gguf "$DONOR" -o again.gguf
expect_text "$STDOUT" '^  qwen35.context_length +u32 +16384 +->  8192$'
expect_exit 0 "$MTPGRAFT" strip -q again.gguf -o back.gguf
expect_nothing_on stdout stderr
expect_same back.gguf "$TARGET"
rm out.gguf again.gguf back.gguf

# A key taken out and set again is undone, wherever it stood.
for key in general.type qwen35.context_length tokenizer.chat_template; do
  expect_exit 0 "$MTPGRAFT" graft -q "$TARGET" "$DONOR" --unset "$key" --set "$key=str:x" -o out.gguf
  expect_exit 0 "$MTPGRAFT" strip out.gguf -o back.gguf
  expect_nothing_on stderr
  expect_same back.gguf "$TARGET"
  rm out.gguf back.gguf
done

# Each --set and --unset takes one argument, so they may stand before the files.
expect_exit 0 "$MTPGRAFT" graft -n --set a.b=u32:1 --unset general.name "$TARGET" "$DONOR" -o out.gguf
expect_text "$STDOUT" '^  a.b +u32 +new +->  1$'
expect_text "$STDOUT" '^  general.name +string .*->  none$'
expect_exit 2 "$MTPGRAFT" graft -n "$TARGET" "$DONOR" --set a.b=u32:1 a.c=u32:2

# Too long for the record, which must be read again: the user is told what to do without.
long=$(printf '%070000d' 0)
"$MTPGRAFT" graft -q --no-record "$TARGET" "$DONOR" --set "long=str:$long" -o plain.gguf
expect_exit 3 "$MTPGRAFT" graft --replace plain.gguf "$DONOR" --unset long -o out.gguf
expect_nothing_on stdout
expect_stderr <<'END_OF_TEXT'
mtpgraft: plain.gguf: the old value of key 'long' has 70000 bytes, too many for the record
  hint: with --no-record keys can be changed, but not be restored by 'strip'
END_OF_TEXT
expect_exit 0 "$MTPGRAFT" graft -q --no-record --replace plain.gguf "$DONOR" --unset long -o out.gguf
"$MTPGRAFT" graft -q --no-record "$TARGET" "$DONOR" -o direct.gguf
expect_same out.gguf direct.gguf
rm plain.gguf out.gguf direct.gguf
expect_exit 3 "$MTPGRAFT" graft "$TARGET" "$DONOR" --set "long=str:$long" -o out.gguf
last_command="graft --set long=..."
expect_nothing_on stdout
expect_stderr <<'END_OF_TEXT'
mtpgraft: the record would have 70600 bytes, and 61440 are read again: the keys' new and old values are too long for it
  hint: with --no-record keys can be changed, but not be restored by 'strip'
END_OF_TEXT
# What does fit comes back.
expect_exit 0 "$MTPGRAFT" graft -q "$TARGET" "$DONOR" --set "long=str:${long:0:60000}" -o out.gguf
last_command="graft --set long=..."
expect_exit 0 "$MTPGRAFT" verify out.gguf --target "$TARGET" --donor "$DONOR" --allow-edits
expect_exit 0 "$MTPGRAFT" strip -q out.gguf -o back.gguf
expect_nothing_on stdout stderr
expect_same back.gguf "$TARGET"
rm out.gguf back.gguf

# Refusals leave nothing behind. expect_refusal CODE MESSAGE OPTION...
expect_refusal() {
  local expected=$1 message=$2
  shift 2
  expect_exit "$expected" "$MTPGRAFT" graft "$TARGET" "$DONOR" "$@"
  expect_nothing_on stdout
  [[ $(head -n 1 "$STDERR") == "mtpgraft: $message" ]] || fail "another message: $last_command: $(cat "$STDERR")"
  no_leftovers . "${inputs[@]}"
}
shape='(for example qwen35.context_length=u32:262144)'
types='(u8 i8 u16 i16 u32 i32 u64 i64 f32 f64 bool str, or one of them with [] for an array)'
json_hint='(numbers, true, false and arrays are written as in JSON: f32:0.5, str[]:["a","b"])'
for text in '' x x= x=u32 =u32:1 x=1; do
  expect_refusal 2 "'$text' is not KEY=TYPE:VALUE $shape" --set "$text"
done
expect_refusal 2 "'general.name=Foo' is not KEY=TYPE:VALUE (for text: general.name=str:Foo)" --set general.name=Foo
expect_refusal 2 "'general.name=My model' is not KEY=TYPE:VALUE (for text: 'general.name=str:My model')" \
  --set 'general.name=My model'
expect_refusal 2 "'int' is no type for key 'x' $types" --set x=int:1
expect_refusal 2 "the value for key 'x' is no u32: one $json_hint" --set x=u32:one
expect_refusal 2 "the value for key 'x' is no u32: -1" --set x=u32:-1
expect_refusal 2 "the value for key 'x' is no u8: 256" --set x=u8:256
expect_refusal 2 "the value for key 'x' is no bool: 1" --set x=bool:1
expect_refusal 2 "the value for key 'x' is no u32[]: [1,-1]" --set 'x=u32[]:[1, -1]'
for key in general.architecture general.alignment mtpgraft.record qwen35.block_count qwen35.nextn_predict_layers split.no; do
  expect_refusal 2 "key '$key' cannot be set or unset" --set "$key=u32:1"
  expect_refusal 2 "key '$key' cannot be set or unset" --unset "$key"
done
expect_refusal 2 "the target has no key 'no.such' to take out" --unset no.such
expect_refusal 2 '--set needs a value' --set
expect_refusal 2 '--unset needs a value' --unset
expect_refusal 2 '--yarn needs a value' --yarn
expect_refusal 2 '--yarn 1: the factor must be above 1, and 4096 tokens times it below 2^32' --yarn 1
expect_refusal 2 '--yarn nan: the factor must be above 1, and 4096 tokens times it below 2^32' --yarn nan
expect_refusal 2 '--yarn 131072: this is a length, and a factor is wanted' --yarn 131072
expect_text "$STDERR" '131072 tokens are 32 times the 4096'
for factor in 0.5 -4 x; do
  expect_exit 2 "$MTPGRAFT" graft "$TARGET" "$DONOR" --yarn "$factor"
  expect_text "$STDERR" '^mtpgraft: .*--yarn'
done
expect_exit 2 "$MTPGRAFT" graft --json "$TARGET" "$DONOR" --set x
[[ $(json 'x["error"]["code"], "result" in x') == "('usage', False)" ]] || fail "another error: $(cat "$STDOUT")"

# A target that does not tell its context.
expect_exit 0 "$MTPGRAFT" graft -q --no-record "$TARGET" "$DONOR" --unset qwen35.context_length -o none.gguf
expect_exit 3 "$MTPGRAFT" graft --replace none.gguf "$DONOR" --yarn 4 -o out.gguf
expect_text "$STDERR" "^mtpgraft: none.gguf: key 'qwen35.context_length' is absent: YaRN cannot tell what the target was trained with\$"
expect_text "$STDERR" '^  hint: give the keys yourself: --set qwen35.rope.scaling.type=str:yarn, '
no_leftovers . "${inputs[@]}" none.gguf

# Another type than the target has is warned of.
expect_exit 0 "$MTPGRAFT" graft -q --no-record "$TARGET" "$DONOR" -o typed.gguf --set qwen35.context_length=str:abc
expect_exit 3 "$MTPGRAFT" graft --strict "$TARGET" "$DONOR" -o strict.gguf --set qwen35.context_length=u64:8192
expect_stderr <<'TEXT'
mtpgraft: --strict refuses what is otherwise warned about
  - key 'qwen35.context_length' is u32 in the target, and u64 is asked for: programs that read it may refuse another type
TEXT
rm typed.gguf
