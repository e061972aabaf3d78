#!/usr/bin/env bash
# Heads that no training leaves behind: broken downloads, NaN, zeros, norms of the wrong convention.
. "$(dirname "$0")/common.sh"

# make_head FROM TO EDIT: edits are Python, with `head(name)`, the bytes of a tensor of the head.
make_head() {
  python3 -B - "$SOURCE_DIR/tests/support" "$MODELS_DIR/$1" "$2" "$3" <<'PYTHON'
import struct
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from gguf_file import GgufFile

model = GgufFile.read(Path(sys.argv[2]))
tensors = {}


def head(name):
    return tensors.setdefault(name, bytearray(model.tensor(f"blk.8.{name}.weight").read()))


def add(name, value):
    data = head(name)
    floats = struct.unpack(f"<{len(data) // 4}f", data)
    data[:] = struct.pack(f"<{len(floats)}f", *(each + value for each in floats))


exec(sys.argv[4])
for name, data in tensors.items():
    model.tensor(f"blk.8.{name}.weight").data = bytes(data)
model.write(Path(sys.argv[3]))
PYTHON
}

use "$TARGET" mtp-base-8L-BF16.gguf
BF16=mtp-base-8L-BF16.gguf
make_head $BF16 nan.gguf 'head("ffn_up")[1000:1002] = b"\xc0\x7f"'
make_head mtp-base-8L-Q4_K_M.gguf inf.gguf 'head("ffn_up")[290:292] = b"\x00\x7c"'
make_head $BF16 hole.gguf 'head("ffn_down")[4096:4096 + 65536] = bytes(65536)'
make_head $BF16 small-hole.gguf 'head("ffn_down")[4096:4096 + 65535] = bytes(65535); head("ffn_down")[4095] = 1; head("ffn_down")[4096 + 65535] = 1'
make_head $BF16 zero.gguf 'd = head("nextn.eh_proj"); d[:] = bytes(len(d))'
make_head $BF16 zero-norm.gguf 'd = head("nextn.enorm"); d[:] = bytes(len(d))'
make_head $BF16 mixed.gguf 'add("nextn.enorm", -1); add("nextn.hnorm", -1)'
make_head $BF16 doubled.gguf 'for name in ("attn_norm", "attn_q_norm", "attn_k_norm", "post_attention_norm", "nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm"): add(name, 1)'

# expect_flaw DONOR PATTERN: a warning beside the output, which --strict refuses before there is one, and verify finds.
expect_flaw() {
  local options
  for options in "" --no-record; do
    rm -f out.gguf
    expect_exit 3 "$MTPGRAFT" graft --strict $options "$TARGET" "$1" -o out.gguf
    expect_text "$STDERR" "$2"
    [[ ! -e out.gguf ]] || fail "--strict $options wrote the graft of $1"
    expect_exit 0 "$MTPGRAFT" graft --no-sync $options "$TARGET" "$1" -o out.gguf
    expect_text "$STDERR" "^mtpgraft: warning: $2"
    expect_text "$STDOUT" '^1 warning, on stderr'
    expect_exit 1 "$MTPGRAFT" verify out.gguf
    expect_text "$STDOUT" 'FAILED'
    expect_exit 1 "$MTPGRAFT" verify out.gguf --target "$TARGET" --donor "$1"
    expect_text "$STDOUT" "$2"
    expect_exit 0 "$MTPGRAFT" graft -n $options -f "$TARGET" "$1" -o out.gguf
    expect_nothing_on stderr
    expect_text "$STDOUT" "of the head's values only norms and biases were looked at"
  done
  rm -f head.gguf
  expect_exit 0 "$MTPGRAFT" extract "$1" -o head.gguf
  expect_text "$STDERR" "^mtpgraft: warning: $2"
  expect_exit 1 "$MTPGRAFT" verify "$1"
  expect_exit 0 "$MTPGRAFT" inspect "$1"
  expect_text "$STDOUT" "its values were not looked at"
}

expect_flaw nan.gguf "head tensor 'blk.8.ffn_up.weight' has 1 value that is NaN or infinite; the first, NaN, is in element 500, byte [0-9]+ of 'nan.gguf'"
expect_flaw inf.gguf "head tensor 'blk.8.ffn_up.weight' has 1 scale that is NaN or infinite; the first, infinity, is in block 2, byte [0-9]+ of 'inf.gguf'"
expect_flaw hole.gguf "head tensor 'blk.8.ffn_down.weight' has 65536 zero bytes from element 2048, byte [0-9]+ of 'hole.gguf' on"
rm -f out.gguf
expect_exit 0 "$MTPGRAFT" graft --strict --no-sync "$TARGET" small-hole.gguf -o out.gguf

# The byte that is named is the one.
offset=$(LC_ALL=C sed -n "s/.*byte \([0-9]*\) of 'nan.gguf'.*/\1/p" < <("$MTPGRAFT" graft --strict "$TARGET" nan.gguf -o x.gguf 2>&1))
[[ $(od -An -tx1 -j "$offset" -N 2 nan.gguf) == " c0 7f" ]] || fail "byte $offset of nan.gguf is not the NaN"

# With zeros for weights there is nothing to draft with: no output, whatever is asked for.
rm -f out.gguf
for donor in zero zero-norm; do
  for command in "graft $TARGET $donor.gguf" "graft --no-record $TARGET $donor.gguf" "extract $donor.gguf" \
    "extract $donor.gguf --tensors-only" "extract $donor.gguf --for $TARGET"; do
    # shellcheck disable=SC2086
    expect_exit 3 "$MTPGRAFT" $command -o out.gguf
    expect_text "$STDERR" "^  - head tensor 'blk.8.nextn.(eh_proj|enorm).weight' has nothing but zeros"
  done
  expect_exit 1 "$MTPGRAFT" verify $donor.gguf
done
if ! is_plain_posix; then
  cp "$MODELS_DIR/$TARGET" own.gguf
  expect_exit 3 "$MTPGRAFT" graft --in-place own.gguf zero.gguf
  cmp own.gguf "$TARGET" || fail "a refused graft in place has changed the target"
fi
[[ ! -e out.gguf ]] || fail "a head of zeros was written"

# Norms, one by one.
expect_exit 0 "$MTPGRAFT" graft -n "$TARGET" mixed.gguf -o x.gguf
expect_text "$STDERR" "2 of the head's 7 norm weights.*'blk.8.nextn.enorm.weight' has a mean of 0.01: without the 1; 'blk.8.nextn.hnorm.weight' has a mean of 0.14: without the 1"
expect_exit 0 "$MTPGRAFT" graft -n "$TARGET" doubled.gguf -o x.gguf
expect_text "$STDERR" "7 of the head's 7 norm weights.*'blk.8.attn_norm.weight' has a mean of 2.24: 1 too many"
expect_exit 3 "$MTPGRAFT" graft --strict "$TARGET" mixed.gguf -o x.gguf

# A release writes none of its grafts if one cannot be.
cp "$MODELS_DIR/$TARGET" A-Q4_K_M.gguf
cp "$MODELS_DIR/$TARGET" B-Q4_K_M.gguf
for options in '{"strict": true}' '{}'; do
  donor=nan.gguf
  [[ $options == '{}' ]] && donor=zero.gguf
  cat >PLAN.json <<JSON
{"schema_version": 1, "output_directory": "released", "defaults": {"options": $options}, "grafts": [
 {"target": "A-Q4_K_M.gguf", "donor": "$BF16"}, {"target": "B-Q4_K_M.gguf", "donor": "$donor"}]}
JSON
  expect_exit 0 "$MTPGRAFT" release --dry-run PLAN.json
  expect_text "$STDOUT" "of the head's values only norms and biases were looked at"
  expect_exit 3 "$MTPGRAFT" release PLAN.json
  expect_text "$STDERR" "has (1 value that is NaN|nothing but zeros)"
  [[ ! -e released ]] || fail "a release with a bad head has written something"
done
sed -i 's/zero.gguf/nan.gguf/' PLAN.json
expect_exit 0 "$MTPGRAFT" release --json PLAN.json
expect_text "$STDERR" 'warning: .*B-Q4_K_M.gguf: head tensor .* NaN'
