#!/usr/bin/env bash
# Heads of quantised checkpoints: which are read, what is said of them, and which are refused.
. "$(dirname "$0")/common.sh"

CHECKPOINTS=$FIXTURES_DIR/checkpoints
python3 -B "$SOURCE_DIR/tests/support/make_refused.py" refused >/dev/null

# Each of the ways is named, with the tensor and the way on.
expect_refusal() {
  local name=$1 tensor=$2 scheme=$3
  expect_exit 3 "$MTPGRAFT" extract "refused/$name.safetensors" --tensors-only -o never.gguf
  expect_text stderr "$name.safetensors: tensor 'mtp.layers.0.mlp.up_proj.$tensor' of shape "
  expect_text stderr "is quantised as $scheme, which is not read"
  expect_text stderr "hint: an unquantised head is likely in the checkpoint of the base model"
  [[ ! -e never.gguf ]] || fail "an output of $name"
}

expect_text() {
  local file=$STDERR
  [[ $1 == stderr ]] || file=$STDOUT
  grep -qF -- "$2" "$file" || {
    fail "no '$2' in $1 of: $last_command"
    head -n 20 "$file" >&2
  }
}

expect_refusal gptq qweight "GPTQ"
expect_refusal awq qweight "AWQ, or GPTQ without g_idx"
expect_refusal int4-packed weight_packed "INT4, packed (compressed-tensors)"
expect_refusal mxfp4-packed weight_packed "MXFP4 (compressed-tensors)"
expect_refusal mxfp4 weight "MXFP4"
expect_refusal deepseek-fp4 weight "DeepSeek's FP4 (MXFP4)"
expect_refusal mxfp8 weight "MXFP8"
expect_refusal mlx-mxfp4 weight "MLX mxfp4, mxfp8 or nvfp4"
expect_refusal bnb4 weight "bitsandbytes, 4 bit"
expect_refusal bnb8 weight "bitsandbytes, 8 bit"
expect_refusal int8-zero-points weight "INT8 with zero points"
expect_refusal hqq W_q "HQQ"
expect_refusal aqlm codes "AQLM"
expect_refusal quip Qidxs "QuIP#"
expect_refusal exl3 trellis "EXL3"
expect_refusal eetq weight "EETQ"
expect_refusal quanto weight._data "quanto"
expect_refusal bitnet weight "BitNet"

# The base is named where the model's card is there.
printf -- '---\nlicense: mit\nbase_model:\n- Qwen/Qwen3.5-9B\n---\n' >refused/README.md
expect_refusal awq qweight "AWQ, or GPTQ without g_idx"
expect_text stderr "of the base model, hf://Qwen/Qwen3.5-9B;"

# What does not fit together.
expect_broken() {
  expect_exit 3 "$MTPGRAFT" extract "refused/$1.safetensors" --tensors-only -o never.gguf
  expect_text stderr "$2"
  expect_text stderr "hint: "
}
expect_broken fp8-without-scales "F8_E4M3 (FP8) without a tensor of its scales, 'mtp.layers.0.mlp.up_proj.weight_scale_inv'"
expect_broken fp8-scales-shape "of shape [7, 3]: these are not the scales of blocks of 128 x 128 of a tensor of shape [64, 64]"
expect_broken fp8-scales-dtype "whose scales 'mtp.layers.0.mlp.up_proj.weight_scale' have another dtype than F32"
expect_broken bf16-with-scales "has dtype BF16 and yet a tensor 'mtp.layers.0.mlp.up_proj.weight_scale'"
expect_broken bf16-with-factor "has dtype BF16 and yet a tensor 'mtp.layers.0.mlp.up_proj.weight_global_scale'"
expect_broken fp8-with-factor "'mtp.layers.0.mlp.up_proj.weight_scale_2' beside it is nothing that FP8 has"
expect_broken nvfp4-without-factor "without a tensor 'mtp.layers.0.mlp.up_proj.weight_scale_2'"
expect_broken nvfp4-factors "not those of one factor for each matrix of 'mtp.layers.0.mlp.up_proj.weight'"
expect_broken nvfp4-scales-shape "not the scales of groups of 16 values of 4 bits"
expect_broken mlx-without-config "bits and group_size are not in the object 'quantization' of a config.json"
expect_broken fp8-vector "is no matrix, and yet quantised as FP8"

# Contradictions name both.
with_config() {
  rm -rf changed
  cp -r "$CHECKPOINTS/$1" changed
  python3 -c 'import json, sys
config = json.load(open("changed/config.json"))
exec(sys.argv[1])
json.dump(config, open("changed/config.json", "w"))' "$2"
}
expect_contradiction() {
  with_config "$1" "$2"
  expect_exit 3 "$MTPGRAFT" extract changed --tensors-only -o never.gguf
  expect_text stderr "$3"
}
expect_contradiction qwen35-fp8-row 'config["quantization_config"] = {"quant_method": "awq"}' \
  "its tensors are those of FP8, but config.json says awq"
expect_contradiction qwen35-fp8-tensor 'config["quantization_config"]["weight_block_size"] = [16, 16]' \
  "not the scales of blocks of 16 x 16"
expect_contradiction qwen35-fp8-row \
  'config["quantization_config"]["config_groups"]["group_0"]["weights"]["strategy"] = "tensor"' \
  "not the scales of a whole tensor"
expect_contradiction qwen35moe-mlx4 'config["quantization"]["mode"] = "mxfp4"' \
  "those of MLX affine, but config.json says mode mxfp4"
expect_contradiction qwen35moe-mlx4 'config["quantization"]["bits"] = 8' \
  "not the scales of groups of 32 values of 8 bits of 'mtp.layers.0.self_attn.k_proj.weight', as config.json says"
with_config qwen35-fp8-modelopt 'del config["quantization_config"]'
echo '{"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8"}}' >changed/hf_quant_config.json
expect_exit 0 "$MTPGRAFT" extract changed --tensors-only -o changed.gguf
echo '{"producer": {"name": "awq"}}' >changed/hf_quant_config.json
expect_exit 3 "$MTPGRAFT" extract changed --tensors-only -o never.gguf
expect_text stderr "but hf_quant_config.json says awq"

# What is read, and what is said of it.
expect_note() {
  expect_exit 0 "$MTPGRAFT" extract "$CHECKPOINTS/$1" --tensors-only -o "$1.gguf"
  expect_text stdout "donor: the head was dequantised from $2"
}
expect_note qwen35-fp8-tensor "FP8, one scale a tensor: 7 of 15 tensors"
expect_note qwen35-fp8-row "FP8, one scale a row: 7 of 15 tensors"
expect_note qwen35-fp8-compressed-blocks "FP8, blocks of 24 x 16: 7 of 15 tensors"
expect_note qwen35-int8 "INT8, one scale a row: 7 of 15 tensors"
expect_note qwen35moe-nvfp4 "NVFP4 (ModelOpt): "
expect_note qwen35moe-nvfp4-packed "NVFP4 (compressed-tensors): "
expect_note qwen35moe-mlx4 "MLX affine, 4 bits, groups of 32 and MLX affine, 8 bits, groups of 64: "
expect_note mimo2 "FP8, blocks of 128 x 128: "
with_config qwen35-dense-nested 'config["quantization_config"] = {"quant_method": "fp8", "weight_block_size": [128, 128]}'
expect_exit 0 "$MTPGRAFT" extract changed --tensors-only -o plain.gguf
expect_text stdout "donor: the checkpoint is quantised (fp8), its head is not: nothing of it is lost"
expect_exit 0 "$MTPGRAFT" extract "$CHECKPOINTS/qwen35moe-nvfp4" --tensors-only -n --json -o json.gguf
expect_text stdout '"donor_quantisation":{"declared":"modelopt, NVFP4","schemes":["NVFP4 (ModelOpt)"],'

# Another type is made of the F32 values, and not of what BF16 has left of them.
for name in qwen35-fp8-row qwen35moe-nvfp4 qwen35moe-mlx4 deepseek32-fp8-row; do
  checkpoint=$CHECKPOINTS/$name
  for type in f32 bf16 q8_0; do
    expect_exit 0 "$MTPGRAFT" extract "$checkpoint" --tensors-only --head-type $type -o "$name-$type.gguf"
  done
  for type in bf16 q8_0; do
    expect_exit 0 "$MTPGRAFT" extract "$name-f32.gguf" --tensors-only --head-type $type -o "$name-$type-of-f32.gguf"
    cmp "$name-$type.gguf" "$name-$type-of-f32.gguf" || fail "$name: $type is not made of F32"
  done
  expect_exit 0 "$MTPGRAFT" extract "$checkpoint" --tensors-only -o "$name-plain.gguf"
  cmp "$name-plain.gguf" "$name-bf16.gguf" || fail "$name: BF16 differs from the one that is not asked for"
done

# A graft of such a head is verified, also converted.
use "$TARGET"
cp -rL "$MODELS_DIR/hf-base-8L" fp8
python3 -B - fp8/mtp.safetensors <<'PYTHON'
import json
import random
import struct
import sys

path = sys.argv[1]
data = open(path, "rb").read()
length, = struct.unpack_from("<Q", data)
old, header, out = json.loads(data[8:8 + length]), {}, b""
old.pop("__metadata__", None)
numbers = random.Random(1)


def add(name, dtype, shape, raw):
    global out
    header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(out), len(out) + len(raw)]}
    out += raw


for name, entry in old.items():
    begin, end = (8 + length + offset for offset in entry["data_offsets"])
    if ".mlp." in name:
        count = (end - begin) // 2
        add(name, "F8_E4M3", entry["shape"], bytes(code & 0xF7 for code in numbers.randbytes(count)))
        add(name + "_scale", "F32", [1], struct.pack("<f", 0.000123))
    else:
        add(name, entry["dtype"], entry["shape"], data[begin:end])
text = json.dumps(header).encode()
open(path, "wb").write(struct.pack("<Q", len(text)) + text + out)
PYTHON
for type in "" q8_0; do
  expect_exit 0 "$MTPGRAFT" graft "$TARGET" fp8 ${type:+--head-type "$type"} -o "graft$type.gguf"
  expect_text stdout "donor: the head was dequantised from FP8, one scale a tensor: 3 of 15 tensors"
  expect_exit 0 "$MTPGRAFT" verify "graft$type.gguf" --target "$TARGET" --donor fp8
done
