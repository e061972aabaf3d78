#!/usr/bin/env bash
# The wrong target or donor is one sentence, not a list of all that follows from it; names in each other's places are
# told, with the command that was meant.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" mtp-base-8L-BF16.gguf mtp-base-8L-Q4_K_M.gguf mtp-random-8L-F16.gguf
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o graft.gguf
"$MTPGRAFT" graft -q --no-sync --no-record "$TARGET" "$DONOR" -o plain.gguf

# Other targets: with other types, with other data in the same places, with one other key. make_target.py HOW OUT
cat >"$SCRATCH/make_target.py" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file as g
model = g.GgufFile.read(sys.argv[2])
how = sys.argv[3]
whole = open(sys.argv[2], "rb").read()
for tensor in model.tensors:
    data = whole[tensor.data.offset:tensor.data.offset + len(tensor.data)]
    if how == "types" and len(tensor.shape) == 2:
        tensor.type_id, tensor.data = 1, bytes(2 * tensor.shape[0] * tensor.shape[1])  # F16
    elif how == "data":
        tensor.data = bytes([data[0] ^ 1]) + data[1:]
if how == "key":
    model.set("general.name", 8, "Another name")
model.write(sys.argv[4])
END
for how in types data key; do
  python3 "$SCRATCH/make_target.py" "$SOURCE_DIR/tests/support" "$TARGET" $how $how.gguf
done
size=$(stat -Lc %s "$TARGET")

expect_exit 1 "$MTPGRAFT" verify graft.gguf --target types.gguf --donor "$DONOR"
expect_text "$STDOUT" "^graft.gguf: the target is not the one of the record, '$TARGET' of $size bytes: [0-9]+ of 162 tensors outside the head differ$"
[[ $(wc -l <"$STDOUT") == 2 ]] || fail "more than a sentence and the verdict: $(cat "$STDOUT")"
expect_exit 1 "$MTPGRAFT" verify graft.gguf --target data.gguf --donor "$DONOR"
expect_text "$STDOUT" '^graft.gguf: 162 of 162 tensors outside the head differ, though '
[[ $(grep -vc ': grafted by ' "$STDOUT") == 2 ]] || fail "more than a sentence and the verdict: $(cat "$STDOUT")"
# What was never grafted, and a target of another architecture.
cp -L "$TARGET" copy.gguf
for option in '' --tensors-only; do
  # shellcheck disable=SC2086
  expect_exit 1 "$MTPGRAFT" verify copy.gguf --target "$TARGET" --donor "$DONOR" $option
  expect_text "$STDOUT" '^copy.gguf: it has no MTP head: it is the target itself, and not the graft$'
  grep -q 'the donor is not the one' "$STDOUT" && fail "blames the donor: $last_command"
done
expect_exit 1 "$MTPGRAFT" verify key.gguf --target "$TARGET" --donor "$DONOR"
expect_text "$STDOUT" '^key.gguf: it has no MTP head, so that it is no graft$'
python3 - "$SOURCE_DIR/tests/support" "$TARGET" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file as g
model = g.GgufFile.read(sys.argv[2])
model.set("general.architecture", g.STRING, "llama")
model.write("llama.gguf")
END
for option in '' --tensors-only; do
  # shellcheck disable=SC2086
  expect_exit 3 "$MTPGRAFT" verify graft.gguf --target llama.gguf --donor "$DONOR" $option
  expect_text "$STDERR" '^mtpgraft: llama.gguf: is a model of llama, and the graft one of qwen35'
done
# Where little differs it is told besides.
expect_exit 1 "$MTPGRAFT" verify graft.gguf --target key.gguf --donor "$DONOR"
expect_text "$STDOUT" "^graft.gguf: the target is not the one of the record, '$TARGET' of $size bytes$"
expect_text "$STDOUT" "^graft.gguf: key 'general.name' differs: it is \"tiny-qwen35-target-12L\", in the graft \"Another name\" "
expect_exit 0 "$MTPGRAFT" verify graft.gguf --tensors-only --target key.gguf --donor "$DONOR"
# Without a record.
for target in types.gguf data.gguf; do
  expect_exit 1 "$MTPGRAFT" verify plain.gguf --target $target --donor "$DONOR"
  [[ $(wc -l <"$STDOUT") -le 3 ]] || fail "not told in short: $(cat "$STDOUT")"
done
expect_text "$STDOUT" '^plain.gguf: 162 of 162 tensors outside the head differ: the target is not the one that it was made of$'

# Other donors.
for donor in mtp-base-8L-BF16.gguf mtp-base-8L-Q4_K_M.gguf mtp-random-8L-F16.gguf; do
  expect_exit 1 "$MTPGRAFT" verify graft.gguf --target "$TARGET" --donor $donor
  expect_text "$STDOUT" "^graft.gguf: the donor is not the one of the record, '$DONOR', whose head has XXH128 [0-9a-f]{32}: [0-9]+ of 15 tensors of the head differ$"
  [[ $(wc -l <"$STDOUT") == 2 ]] || fail "more than a sentence and the verdict: $(cat "$STDOUT")"
done

# Exchanged names: what stands for which, and what was meant.
expect_exchange() {
  local message=$1 command=$2
  shift 2
  expect_exit 2 "$MTPGRAFT" verify "$@"
  expect_nothing_on stdout
  expect_stderr <<END
mtpgraft: $message
  hint: $command
END
}
for donor in "$DONOR" mtp-base-8L-BF16.gguf; do
  rm -f graft.gguf plain.gguf
  "$MTPGRAFT" graft -q --no-sync "$TARGET" "$donor" -o graft.gguf
  "$MTPGRAFT" graft -q --no-sync --no-record "$TARGET" "$donor" -o plain.gguf
  meant="mtpgraft verify graft.gguf --target $TARGET --donor $donor"
  expect_exchange 'FILE and --target are exchanged' "$meant" "$TARGET" --target graft.gguf --donor "$donor"
  expect_exchange '--target and --donor are exchanged' "$meant" graft.gguf --target "$donor" --donor "$TARGET"
  expect_exchange 'FILE and --donor are exchanged' "$meant" "$donor" --target "$TARGET" --donor graft.gguf
  expect_exchange "FILE, --target and --donor are in each other's places" "$meant" \
    "$donor" --target graft.gguf --donor "$TARGET"
  expect_exchange "FILE, --target and --donor are in each other's places" "$meant" \
    "$TARGET" --target "$donor" --donor graft.gguf
  expect_exchange 'FILE and --target are exchanged' "${meant/graft.gguf/plain.gguf}" \
    "$TARGET" --target plain.gguf --donor "$donor"
done
expect_exchange 'FILE and --target are exchanged' \
  "mtpgraft verify graft.gguf --target $TARGET --donor mtp-base-8L-BF16.gguf --allow-edits" \
  "$TARGET" --allow-edits --target graft.gguf --donor mtp-base-8L-BF16.gguf
# A donor that is a graft itself is a donor.
"$MTPGRAFT" graft -q --no-sync --no-record "$TARGET" graft.gguf -o second.gguf
expect_exit 0 "$MTPGRAFT" verify second.gguf --target "$TARGET" --donor graft.gguf

# Held against the wrong target it is still the file that was meant, although the donor could be a graft of that.
python3 - "$SOURCE_DIR/tests/support" "$TARGET" <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
from gguf_file import STRING, GgufFile
model = GgufFile.read(sys.argv[2])
model.set("general.name", STRING, "another")
model.write("other-target.gguf")
PYTHON
"$MTPGRAFT" graft -q --no-sync other-target.gguf graft.gguf -o of-other.gguf
expect_exit 1 "$MTPGRAFT" verify of-other.gguf --target "$TARGET" --donor graft.gguf
expect_text "$STDOUT" '^of-other.gguf: FAILED'

# A file that is held against itself would pass.
ln graft.gguf link.gguf
for target in graft.gguf link.gguf; do
  expect_exit 2 "$MTPGRAFT" verify graft.gguf --target $target --donor mtp-base-8L-BF16.gguf
  expect_text "$STDERR" '^mtpgraft: graft.gguf: is the target as well: that would prove nothing$'
  expect_exit 2 "$MTPGRAFT" verify graft.gguf --target "$TARGET" --donor $target
  expect_text "$STDERR" '^mtpgraft: graft.gguf: is the donor as well: that would prove nothing$'
done
