#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes DIR/NAME.safetensors for heads in ways of quantisation, each a head of Qwen3.5 of which one matrix is stored so,
and DIR/config.json. Only names, dtypes and shapes are those of the way; the values are zeros."""

import json
import struct
import sys
from pathlib import Path

BITS = {"U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
        "I64": 64}
X = "mtp.layers.0.mlp.up_proj."

# name -> tensors after `X`: form -> (dtype, shape)
WAYS = {
    "gptq": {"qweight": ("I32", [8, 64]), "qzeros": ("I32", [2, 8]), "scales": ("F16", [2, 64]), "g_idx": ("I32", [64])},
    "awq": {"qweight": ("I32", [64, 8]), "qzeros": ("I32", [2, 8]), "scales": ("F16", [2, 64])},
    "int4-packed": {"weight_packed": ("I32", [64, 8]), "weight_scale": ("BF16", [64, 2]), "weight_shape": ("I64", [2])},
    "mxfp4-packed": {"weight_packed": ("U8", [64, 32]), "weight_scale": ("U8", [64, 2])},
    "mxfp4": {"weight": ("U8", [64, 32]), "weight_scale": ("U8", [64, 2])},
    "deepseek-fp4": {"weight": ("I8", [64, 32]), "scale": ("F8_E8M0", [64, 2])},
    "mxfp8": {"weight": ("F8_E4M3", [64, 64]), "weight_scale": ("U8", [64, 2])},
    "mlx-mxfp4": {"weight": ("U32", [64, 8]), "scales": ("U8", [64, 2])},
    "bnb4": {"weight": ("U8", [2048, 1]), "weight.absmax": ("U8", [32]), "weight.quant_map": ("F32", [16]),
             "weight.nested_absmax": ("F32", [1]), "weight.nested_quant_map": ("F32", [256]),
             "weight.quant_state.bitsandbytes__nf4": ("U8", [90])},
    "bnb8": {"weight": ("I8", [64, 64]), "SCB": ("F32", [64]), "weight_format": ("U8", [])},
    "int8-zero-points": {"weight": ("I8", [64, 64]), "weight_scale": ("F32", [64, 1]),
                         "weight_zero_point": ("I8", [64, 1])},
    "hqq": {"W_q": ("U8", [32, 64]), "scale": ("F16", [64, 1]), "zero": ("F16", [64, 1])},
    "aqlm": {"codes": ("I8", [8, 8, 1]), "codebooks": ("F16", [1, 256, 1, 8]), "scales": ("F16", [8, 1, 1, 1])},
    "quip": {"Qidxs": ("I16", [64, 8]), "SU": ("F16", [64]), "SV": ("F16", [64])},
    "exl3": {"trellis": ("I16", [4, 4, 64]), "suh": ("F16", [64]), "svh": ("F16", [64])},
    "eetq": {"weight": ("I8", [64, 64]), "weight_scales": ("F16", [64])},
    "quanto": {"weight._data": ("U8", [32, 64]), "weight._scale": ("F16", [64, 1])},
    "bitnet": {"weight": ("U8", [16, 64]), "weight_scale": ("BF16", [1])},
    # What is broken.
    "bf16-with-factor": {"weight": ("BF16", [64, 64]), "weight_global_scale": ("F32", [1])},
    "fp8-with-factor": {"weight": ("F8_E4M3", [64, 64]), "weight_scale": ("F32", [64, 1]), "weight_scale_2": ("F32", [])},
    "fp8-without-scales": {"weight": ("F8_E4M3", [64, 64])},
    "fp8-scales-shape": {"weight": ("F8_E4M3", [64, 64]), "weight_scale_inv": ("F32", [7, 3])},
    "fp8-scales-dtype": {"weight": ("F8_E4M3", [64, 64]), "weight_scale": ("I64", [64, 1])},
    "bf16-with-scales": {"weight": ("BF16", [64, 64]), "weight_scale": ("F32", [64, 1])},
    "nvfp4-without-factor": {"weight": ("U8", [64, 32]), "weight_scale": ("F8_E4M3", [64, 4])},
    "nvfp4-factors": {"weight": ("U8", [64, 32]), "weight_scale": ("F8_E4M3", [64, 4]),
                      "weight_scale_2": ("F32", [64])},
    "nvfp4-scales-shape": {"weight": ("U8", [64, 32]), "weight_scale": ("F8_E4M3", [64, 2]),
                           "weight_scale_2": ("F32", [1])},
    "mlx-without-config": {"weight": ("U32", [64, 8]), "scales": ("BF16", [64, 2]), "biases": ("BF16", [64, 2])},
    "fp8-vector": {"weight": ("F8_E4M3", [64]), "weight_scale": ("F32", [1])},
}
GOOD = {"weight": ("F8_E4M3", [64, 64]), "weight_scale": ("F32", [1])}


def write(path, ways):
    tensors = {"mtp.fc.weight": ("BF16", [64, 128]), "mtp.norm.weight": ("BF16", [64])}
    tensors |= {X + form: entry for form, entry in ways.items()}
    header, at = {}, 0
    for name, (dtype, shape) in tensors.items():
        size = BITS[dtype] // 8
        for extent in shape:
            size *= extent
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(at))


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({
        "model_type": "qwen3_5_text", "num_hidden_layers": 4, "hidden_size": 64, "mtp_num_hidden_layers": 1}))
    for name, ways in {**WAYS, "fp8": GOOD}.items():
        write(folder / f"{name}.safetensors", ways)
        print(name)


if __name__ == "__main__":
    main()
