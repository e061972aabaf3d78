#!/usr/bin/env bash
# extract to .safetensors: a head in the names of its checkpoint, which makes the graft that its donor makes.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" mtp-base-8L-BF16.gguf head-only-base-8L-BF16.gguf hf-base-8L donor-norms-unshifted.gguf \
  donor-norms-f16.gguf
inputs=("$TARGET" "$DONOR" mtp-base-8L-BF16.gguf head-only-base-8L-BF16.gguf hf-base-8L donor-norms-unshifted.gguf
  donor-norms-f16.gguf)

# The text, and what is there afterwards.
expect_exit 0 "$MTPGRAFT" extract mtp-base-8L-BF16.gguf -o mtp.safetensors
expect_nothing_on stderr
expect_stdout <<'END_OF_TEXT'
donor   mtp-base-8L-BF16.gguf  qwen35  sidecar, a head without trunk: blk.8: 15 tensors, 1.9 MiB: BF16 1.9 MiB (8), F32 5.5 KiB (7)
output  mtp.safetensors        qwen35  15 tensors, 1.9 MiB (1972120 bytes), head in a checkpoint's names, at blk.8
1.9 MiB in N s: WAYS; to put it back into a checkpoint, copy it
beside the files of that and name its tensors in "weight_map" of model.safetensors.index.json; to graft it:
  mtpgraft graft TARGET mtp.safetensors
END_OF_TEXT
no_leftovers . "${inputs[@]}" mtp.safetensors
expect_exit 5 "$MTPGRAFT" extract mtp-base-8L-BF16.gguf -o mtp.safetensors
expect_exit 0 "$MTPGRAFT" extract --json mtp-base-8L-BF16.gguf -o mtp.safetensors --force
[[ $(json '(x["result"]["form"], x["result"]["tensors"][0]["name"], x["result"]["tensors"][0]["donor_name"])') == \
  "('checkpoint', 'mtp.layers.0.self_attn.k_proj.weight', 'blk.8.attn_k.weight')" ]] ||
  fail "another form: $(cat "$STDOUT")"

# An independent reading: names, types and values are those of the checkpoint that the GGUF was made of.
python3 - mtp.safetensors hf-base-8L <<'END_OF_PYTHON' || fail "not the checkpoint's head"
import glob, json, struct, sys

def read(path):
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    assert length % 8 == 0
    header = json.loads(data[8:8 + length])
    assert header.pop("__metadata__")["format"] == "pt"
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = entry["data_offsets"]
        width = {"BF16": 2, "F16": 2, "F32": 4}[entry["dtype"]]
        assert first == end and first % width == 0, name
        end = last
        raw = data[8 + length:][first:last]
        if width == 2:
            raw = b"".join(b"\0\0" + raw[i:i + 2] for i in range(0, len(raw), 2))
        header[name] = (entry["shape"], raw)
    assert 8 + length + end == len(data)
    return header

written = read(sys.argv[1])
published = {}
for path in glob.glob(sys.argv[2] + "/*.safetensors"):
    published |= {name: value for name, value in read(path).items() if "mtp" in name}
assert written == published, (sorted(written), sorted(published))
END_OF_PYTHON

# The graft of it is the graft of its donor: of a whole model, of bare tensors, of a checkpoint, in other types.
graft() { "$MTPGRAFT" graft -q --no-sync --no-record --force "$TARGET" "$@"; }
for donor in mtp-base-8L-BF16.gguf head-only-base-8L-BF16.gguf hf-base-8L donor-norms-f16.gguf; do
  for type in '' f16 f32; do
    graft "$donor" ${type:+--head-type $type} -o direct.gguf
    "$MTPGRAFT" extract -q --force --no-sync "$donor" ${type:+--head-type $type} -o mtp.safetensors
    graft mtp.safetensors -o again.gguf
    expect_same again.gguf direct.gguf
  done
done
rm direct.gguf again.gguf

# Of every architecture that has checkpoints, also where the keys tell how tensors are cut and arrays go on.
count=0
for donor in "$FIXTURES_DIR"/archs/*/{full,sidecar,bare}.gguf; do
  target=$(dirname "$donor")/trunk.gguf
  if "$MTPGRAFT" extract -q --force --no-sync "$donor" -o head.safetensors 2>"$STDERR"; then
    "$MTPGRAFT" graft -q --no-sync --no-record --force "$target" "$donor" -o direct.gguf 2>/dev/null
    "$MTPGRAFT" graft -q --no-sync --no-record --force "$target" head.safetensors -o again.gguf 2>/dev/null ||
      fail "no donor: head.safetensors of $donor"
    expect_same again.gguf direct.gguf
    count=$((count + 1))
  else
    grep -q -e 'in a checkpoint is not known' -e 'head is broken' -e 'does not tell' "$STDERR" ||
      fail "$donor: $(cat "$STDERR")"
  fi
done
((count >= 30)) || fail "only $count heads were extracted"
rm head.safetensors direct.gguf again.gguf

# It is a donor, and inspect reads it without a model.
expect_exit 0 "$MTPGRAFT" inspect --json mtp.safetensors
[[ $(json '[(f["architecture"], f["format"], f["mtp"]["first_block"]) for f in x["result"]["files"]]') == \
  "[('qwen35', 'safetensors', 8)]" ]] || fail "inspected as another: $(cat "$STDOUT")"

# Checksums are of the file as a whole.
expect_exit 0 "$MTPGRAFT" extract -q --force mtp-base-8L-BF16.gguf -o mtp.safetensors --checksums sums
expect_nothing_on stdout stderr
expect_exit 0 "$MTPGRAFT" verify mtp.safetensors -c sums
printf x | dd of=mtp.safetensors bs=1 seek=5000 conv=notrunc status=none
expect_exit 1 "$MTPGRAFT" verify mtp.safetensors -c sums
rm mtp.safetensors sums

# What cannot be.
expect_exit 2 "$MTPGRAFT" extract mtp-base-8L-BF16.gguf --for "$TARGET" -o mtp.safetensors
expect_stderr <<'END_OF_TEXT'
mtpgraft: --for is for .gguf outputs: a .safetensors file has the names of the donor's own checkpoint
END_OF_TEXT
expect_exit 2 "$MTPGRAFT" extract mtp-base-8L-BF16.gguf --tensors-only -o mtp.safetensors
expect_exit 2 "$MTPGRAFT" extract mtp-base-8L-BF16.gguf --no-shared-tensors -o mtp.safetensors
expect_exit 2 "$MTPGRAFT" extract mtp-base-8L-BF16.gguf --no-shared-tensors --tensors-only
expect_exit 3 "$MTPGRAFT" extract "$DONOR" -o mtp.safetensors
expect_stderr <<'END_OF_TEXT'
mtpgraft: mtp-base-8L-Q8_0.gguf: head tensor 'blk.8.attn_k.weight' has type Q8_0, and checkpoints have F32, F16 or BF16 (at byte 27150)
  hint: take the head of an unquantised donor, or --head-type bf16 dequantises it
END_OF_TEXT
expect_exit 2 "$MTPGRAFT" extract "$DONOR" -o mtp.safetensors --head-type q8_0
expect_exit 2 "$MTPGRAFT" extract mtp-base-8L-BF16.gguf -o mtp.SafeTensors
expect_text "$STDERR" 'the ending of a checkpoint.s file is \.safetensors, in small letters'
expect_exit 2 "$MTPGRAFT" graft "$TARGET" mtp-base-8L-BF16.gguf -o graft.safetensors
expect_text "$STDERR" 'what is written is a GGUF, and \.safetensors is the ending of checkpoints'

# A checkpoint's head that is quantised is rounded only if that is asked for, and says so ever after.
FP8=$FIXTURES_DIR/checkpoints/qwen35-fp8-row
expect_exit 3 "$MTPGRAFT" extract "$FP8" -o mtp.safetensors
expect_text "$STDERR" 'the head is quantised \(FP8, one scale a row: 7 of 15 tensors\), and would be rounded'
expect_text "$STDERR" '^  hint: --head-type bf16 dequantises it'
expect_exit 0 "$MTPGRAFT" extract -q --no-sync "$FP8" --head-type bf16 -o was-fp8.safetensors
expect_exit 0 "$MTPGRAFT" inspect was-fp8.safetensors
expect_text "$STDOUT" ' the head was dequantised from FP8, one scale a row before it was written here$'
rm was-fp8.safetensors
expect_exit 3 "$MTPGRAFT" extract donor-norms-unshifted.gguf -o mtp.safetensors
no_leftovers . "${inputs[@]}"
expect_exit 0 "$MTPGRAFT" extract "$DONOR" -o mtp.safetensors --head-type bf16
