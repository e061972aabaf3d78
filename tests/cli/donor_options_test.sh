#!/usr/bin/env bash
# Donors as users name them: checkpoints, by any spelling of their path, and heads that are converted on the way.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" mtp-base-8L-BF16.gguf
cp -rL "$MODELS_DIR/hf-base-8L" .
mkdir empty bare
cp hf-base-8L/mtp.safetensors bare/
inputs=("$TARGET" "$DONOR" mtp-base-8L-BF16.gguf hf-base-8L empty bare)

expect_json() {
  [[ $(json "$1") == "$2" ]] || fail "$1 is $(json "$1"), expected $2: $last_command"
}

# A checkpoint gives what the converter's GGUF of it gives.
expect_exit 0 "$MTPGRAFT" graft "$TARGET" hf-base-8L -o reference.gguf
expect_nothing_on stderr
expect_stdout <<END_OF_TEXT
target  $TARGET  qwen35  12 trunk blocks, no head
donor   hf-base-8L              qwen35  sidecar, a head without trunk: blk.8: 15 tensors, 1.9 MiB: BF16 1.9 MiB (8), F32 5.5 KiB (7)
output  reference.gguf          qwen35  177 tensors, 8.3 MiB (8695808 bytes), head at blk.12
donor: norm weights have a mean of about 0.24: 1 is added
keys
  qwen35.block_count           u32     12   ->  13
  qwen35.nextn_predict_layers  u32     new  ->  1
  mtpgraft.record              string  new  ->  origin, old values, digest of the head
8.3 MiB in N s: WAYS; to draft with it:
  llama-server -m reference.gguf --spec-type draft-mtp --spec-draft-n-max 2
to prove it byte for byte:
  mtpgraft verify reference.gguf --target $TARGET --donor hf-base-8L
END_OF_TEXT
"$MTPGRAFT" graft -q --no-record "$TARGET" hf-base-8L -o plain.gguf
"$MTPGRAFT" graft -q --no-record "$TARGET" mtp-base-8L-BF16.gguf -o other.gguf
expect_same plain.gguf other.gguf
rm plain.gguf other.gguf

# The checkpoint's own files are inputs, those that hold no tensors as well.
for name in config.json mtp.safetensors; do
  expect_exit 5 "$MTPGRAFT" graft --force "$TARGET" hf-base-8L -o "hf-base-8L/$name"
done

# However the directory is spelled, the record calls it the same.
for spelling in hf-base-8L/ ./hf-base-8L "$PWD/hf-base-8L//" empty/../hf-base-8L; do
  expect_exit 0 "$MTPGRAFT" graft -q "$TARGET" "$spelling" -o out.gguf
  expect_nothing_on stdout stderr
  expect_same out.gguf reference.gguf
  expect_exit 0 "$MTPGRAFT" verify reference.gguf --target "$TARGET" --donor "$spelling"
  rm out.gguf
done
cd hf-base-8L
expect_exit 0 "$MTPGRAFT" graft -q "../$TARGET" . -o ../out.gguf
expect_exit 0 "$MTPGRAFT" verify ../reference.gguf --target "../$TARGET" --donor .
cd ..
expect_same out.gguf reference.gguf
rm out.gguf

# One file of it, with the config beside it and without.
"$MTPGRAFT" graft -q --no-record "$TARGET" hf-base-8L -o plain.gguf
for file in hf-base-8L/mtp.safetensors bare bare/mtp.safetensors; do
  expect_exit 0 "$MTPGRAFT" graft -q --no-record "$TARGET" "$file" -o out.gguf
  cmp -s out.gguf plain.gguf || fail "another graft: $last_command"
  rm out.gguf
  expect_exit 0 "$MTPGRAFT" graft -q "$TARGET" "$file" -o out.gguf
  expect_exit 0 "$MTPGRAFT" verify out.gguf --target "$TARGET" --donor "$file"
  expect_exit 0 "$MTPGRAFT" strip -q out.gguf -o back.gguf
  expect_same back.gguf "$TARGET"
  rm out.gguf back.gguf
done
rm plain.gguf

# Heads in another type: verify reads from the record how the donor was read.
for case in 'hf-base-8L f16 F16' 'hf-base-8L Q8_0 Q8_0' 'mtp-base-8L-BF16.gguf q8_0 Q8_0' \
  'mtp-base-8L-BF16.gguf f32 F32' 'mtp-base-8L-BF16.gguf BF16 BF16' "$DONOR q8_0 Q8_0"; do
  read -r donor asked type <<<"$case"
  expect_exit 0 "$MTPGRAFT" graft --head-type "$asked" "$TARGET" "$donor" -o out.gguf
  expect_nothing_on stderr
  expect_text "$STDOUT" "^donor: matrices converted to $type\$"
  expect_exit 0 "$MTPGRAFT" inspect --json out.gguf
  expect_json '[t["type"] for t in x["result"]["files"][0]["mtp"]["types"]]' \
    "$([[ $type == F32 ]] && echo "['F32']" || echo "['$type', 'F32']")"
  expect_exit 0 "$MTPGRAFT" verify out.gguf --target "$TARGET" --donor "$donor"
  expect_stdout <<END_OF_TEXT
out.gguf: the head was converted to $type
out.gguf: OK, $([[ $type == Q8_0 ]] && echo 7.4 || { [[ $type == F32 ]] && echo 10.2 || echo 8.3; }) MiB checked
END_OF_TEXT
  expect_exit 0 "$MTPGRAFT" verify --json out.gguf --target "$TARGET" --donor "$donor"
  expect_json 'x["result"]["findings"]' '[]'
  rm out.gguf
done

# --norm-offset is in the record, too, and of no meaning to a GGUF that has it applied.
for offset in 0 1; do
  expect_exit 0 "$MTPGRAFT" graft -q --norm-offset "$offset" "$TARGET" hf-base-8L -o out.gguf
  expect_exit 0 "$MTPGRAFT" verify out.gguf --target "$TARGET" --donor hf-base-8L
  "$MTPGRAFT" extract -q --norm-offset "$offset" hf-base-8L --for "$TARGET" -o hf-base-8L.gguf
  expect_exit 1 "$MTPGRAFT" verify out.gguf --target "$TARGET" --donor hf-base-8L.gguf
  expect_text "$STDOUT" "^out.gguf: key 'mtpgraft.record' differs"
  ! grep -q 'tensor' "$STDOUT" || fail "tensors differ: $last_command"
  rm out.gguf hf-base-8L.gguf
done

# JSON.
expect_exit 0 "$MTPGRAFT" graft --json -n --head-type q8_0 "$TARGET" hf-base-8L -o out.gguf
expect_nothing_on stderr
expect_json 'x["result"]["donor_notes"]' \
  "['norm weights have a mean of about 0.24: 1 is added', 'matrices converted to Q8_0']"
expect_json 'x["result"]["donor"], x["result"]["head"]["bytes"]' "('hf-base-8L', 1050112)"
expect_exit 0 "$MTPGRAFT" graft --json -n "$TARGET" "$DONOR" -o out.gguf
expect_json 'x["result"]["donor_notes"]' '[]'

# Refusals leave nothing behind. expect_refusal CODE OPTION..., the message on standard input
rm reference.gguf
expect_refusal() {
  local expected=$1
  shift
  expect_exit "$expected" "$MTPGRAFT" "$@"
  expect_nothing_on stdout
  expect_stderr
  no_leftovers . "${inputs[@]}"
}
expect_refusal 4 graft "$TARGET" none -o out.gguf <<'END_OF_TEXT'
mtpgraft: none: cannot open: No such file or directory
  hint: the current folder has 'mtp-base-8L-BF16.gguf', 'mtp-base-8L-Q8_0.gguf' and 'target-12L-Q4_K_M.gguf'
END_OF_TEXT
expect_refusal 4 graft "$TARGET" hf-base-8L/none.safetensors -o out.gguf <<'END_OF_TEXT'
mtpgraft: hf-base-8L/none.safetensors: cannot open: No such file or directory
  hint: the folder 'hf-base-8L' has 'mtp.safetensors'
END_OF_TEXT
for directory in empty empty/; do
  expect_refusal 4 graft "$TARGET" "$directory" -o out.gguf <<END_OF_TEXT
mtpgraft: $directory: is an empty folder
  hint: name a .gguf file; a donor can be a .safetensors file, or the folder of a checkpoint, too
END_OF_TEXT
done
expect_refusal 4 graft "$TARGET" . -o out.gguf <<END_OF_TEXT
mtpgraft: .: is a folder with 3 GGUF files
  hint: name the one that is meant: ./mtp-base-8L-BF16.gguf, ./mtp-base-8L-Q8_0.gguf, ./target-12L-Q4_K_M.gguf
END_OF_TEXT
expect_refusal 2 graft "$TARGET" hf-base-8L --head-type q4_k_m -o out.gguf <<'END_OF_TEXT'
mtpgraft: --head-type q4_k_m: there is no such tensor type
  hint: f32, f16, bf16, q8_0; with ggml also q6_k, q5_k, q4_k and others (q4_k_m is a mixture of types)
END_OF_TEXT
expect_refusal 3 graft "$TARGET" "$DONOR" --head-type f16 -o out.gguf <<END_OF_TEXT
mtpgraft: $DONOR: head tensor 'blk.8.attn_k.weight' has type Q8_0; only F32, F16 and BF16 can become F16 (at byte 27150)
  hint: use a BF16 donor
END_OF_TEXT
ggml_hint='  hint: --ggml /path/to/libggml-base.so; every build and release of llama.cpp has that file'
expect_refusal 4 graft "$TARGET" hf-base-8L --head-type q6_k --ggml none.so -o out.gguf <<END_OF_TEXT
mtpgraft: WORK/none.so: cannot load ggml: cannot open shared object file: No such file or directory
$ggml_hint
END_OF_TEXT
expect_refusal 4 graft "$TARGET" hf-base-8L --head-type q6_k --ggml "$TARGET" -o out.gguf <<END_OF_TEXT
mtpgraft: WORK/$TARGET: cannot load ggml: invalid ELF header
$ggml_hint
END_OF_TEXT
for directory in empty .; do
  expect_refusal 4 extract hf-base-8L --tensors-only --head-type q6_k --ggml "$directory" -o out.gguf <<END_OF_TEXT
mtpgraft: $directory: has no libggml-base.so or libggml-base.so.0
$ggml_hint
END_OF_TEXT
done
expect_refusal 2 graft "$TARGET" "$DONOR" --norm-offset 1 -o out.gguf <<'END_OF_TEXT'
mtpgraft: --norm-offset is for safetensors and for norms under a checkpoint's names: others are taken as they are
END_OF_TEXT
expect_refusal 2 graft "$TARGET" hf-base-8L --norm-offset 2 -o out.gguf <<'END_OF_TEXT'
mtpgraft: --norm-offset: 2 not in {0,1}
  hint: mtpgraft graft --help
END_OF_TEXT
# The target is a GGUF, and no folder is an output.
expect_exit 3 "$MTPGRAFT" graft hf-base-8L/mtp.safetensors "$DONOR" -o out.gguf
expect_exit 4 "$MTPGRAFT" graft hf-base-8L "$DONOR" -o out.gguf
expect_exit 5 "$MTPGRAFT" graft -f "$TARGET" hf-base-8L -o hf-base-8L/mtp.safetensors
expect_exit 5 "$MTPGRAFT" graft "$TARGET" hf-base-8L -o hf-base-8L/config.json
no_leftovers . "${inputs[@]}"
no_leftovers hf-base-8L config.json mtp.safetensors
cmp -s hf-base-8L/mtp.safetensors bare/mtp.safetensors || fail "the donor has changed"

# What the user says of the donor counts more than the record.
expect_exit 0 "$MTPGRAFT" graft -q --head-type q8_0 "$TARGET" mtp-base-8L-BF16.gguf -o said.gguf
expect_exit 0 "$MTPGRAFT" verify -q said.gguf --target "$TARGET" --donor mtp-base-8L-BF16.gguf
expect_exit 1 "$MTPGRAFT" verify -q said.gguf --target "$TARGET" --donor mtp-base-8L-BF16.gguf --head-type f16
rm said.gguf
