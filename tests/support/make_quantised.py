"""Cases of make_checkpoints.py whose heads are quantised, each in one of the ways that checkpoints are published in.

A scheme stores random codes and scales and returns the values that they stand for, computed by numpy in F32 as the
readers of these formats do: llama.cpp's converter (FP8, INT8, NVFP4), MLX (affine).
"""

import re

import numpy as np

from make_checkpoints import NEVER_FP8, case, from_f8_e4m3, mimo2, mla, qwen35, qwen_moe, spread

E2M1 = np.array([0, .5, 1, 1.5, 2, 3, 4, 6, -0., -.5, -1, -1.5, -2, -3, -4, -6], "<f4")


def beside(name, form):
    """The tensor `form` of a weight: "X.weight" -> "X.form"; what has no ".weight" is continued, "X_scale"."""
    if name.endswith(".weight"):
        return name.removesuffix("weight") + form
    return name + (form.removeprefix("weight") if form.startswith("weight") else
                   "_" + form if "input" in form else "." + form)


def from_f8_e5m2(raw):
    return (raw.astype("<u2") << 8).view("<f2").astype("<f4")


def from_f8_e8m0(raw):
    return np.ldexp(np.float32(1), raw.astype(int) - 127).astype("<f4")


def pack_bits(codes, bits):
    """Codes of a row one after the other, low bits first, as words of 32 bits."""
    as_bits = (codes[..., None] >> np.arange(bits, dtype="u1") & 1).reshape(*codes.shape[:-1], -1)
    return np.packbits(as_bits, axis=-1, bitorder="little").view("<u4")


class Scheme:
    never = NEVER_FP8

    def takes(self, name, shape):
        return not self.never.search(name)


class Fp8(Scheme):
    """`per` is "tensor", "matrix" (of a stack), "row" or a block (rows, columns)."""

    def __init__(self, per, form="weight_scale", scales="F32", dtype="F8_E4M3", config=None, unused=()):
        self.per, self.form, self.scales, self.dtype, self.unused = per, form, scales, dtype, unused
        self.config = {"quantization_config": config} if config else {}

    def scale_shape(self, shape):
        if self.per == "tensor":
            return () if self.scales == "F32" else (1,)
        if self.per == "matrix":
            return (*shape[:-2], 1, 1) if len(shape) > 2 else (1,)
        if self.per == "row":
            return (*shape[:-1], 1)
        return (*shape[:-2], -(-shape[-2] // self.per[0]), -(-shape[-1] // self.per[1]))

    def store(self, c, name, shape):
        if self.dtype == "I8":
            raw = c.random.integers(-128, 128, shape, "i1")
            raw.flat[:4] = 0, -128, 127, -1
            values = raw.astype("<f4")
        else:
            largest = 0x7F if self.dtype == "F8_E4M3" else 0x7C
            raw = c.random.integers(0, largest, shape, "u1") | c.random.integers(0, 2, shape, "u1") << 7
            raw.flat[:6] = 0x00, 0x80, 0x01, 0x83, largest - 1, largest - 1 | 0x80
            values = from_f8_e4m3(raw) if self.dtype == "F8_E4M3" else from_f8_e5m2(raw)
        c.tensors[name] = (self.dtype, raw)
        scale_shape = self.scale_shape(shape)
        if self.scales == "F8_E8M0":
            codes = c.random.integers(110, 125, scale_shape, "u1")
            c.tensors[beside(name, self.form)] = ("F8_E8M0", codes)
            scales = from_f8_e8m0(codes)
        else:
            drawn = np.array(c.random.uniform(1e-4, 9e-4, scale_shape))
            if drawn.size > 2:
                drawn.flat[1] = 0
            scales = c.store(beside(name, self.form), self.scales, drawn)
        for form in self.unused:
            c.store(beside(name, form), "F32", np.array(0.5))
        if isinstance(self.per, tuple):
            matrices = zip(values.reshape(-1, *shape[-2:]), np.reshape(scales, (-1, *scale_shape[-2:])))
            return np.stack([one * spread(own, self.per, one.shape) for one, own in matrices]).reshape(shape)
        return values * scales


class Nvfp4(Scheme):
    def __init__(self, packed=False, factors="tensor"):
        self.packed, self.factors = packed, factors
        self.config = {"quantization_config": {
            "quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized", "ignore": ["lm_head"],
            "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "float", "strategy": "tensor_group",
                                                      "group_size": 16}}},
        } if packed else {"quant_method": "modelopt", "quant_algo": "NVFP4", "exclude_modules": ["lm_head"]}}

    def takes(self, name, shape):
        return super().takes(name, shape) and shape[-1] % 16 == 0

    def store(self, c, name, shape):
        codes = c.random.integers(0, 16, shape, "u1")
        codes.flat[:16] = range(16)
        scale_codes = c.random.integers(0, 0x7F, (*shape[:-1], shape[-1] // 16), "u1")
        scale_codes.flat[:3] = 0, 1, 0x7E
        packed = codes[..., ::2] | codes[..., 1::2] << 4
        c.tensors[beside(name, "weight_packed") if self.packed else name] = ("U8", packed)
        c.tensors[beside(name, "weight_scale")] = ("F8_E4M3", scale_codes)
        factor_shape = (shape[0], 1, 1) if self.factors == "matrix" and len(shape) == 3 else (1,)
        if self.packed:
            stored = c.store(beside(name, "weight_global_scale"), "F32", c.random.uniform(1000, 9000, factor_shape))
            factor = np.float32(1) / stored
            c.store(beside(name, "input_global_scale"), "F32", np.array([7]))
        else:
            factor = c.store(beside(name, "weight_scale_2"), "F32", c.random.uniform(1e-4, 9e-4, factor_shape))
            c.store(beside(name, "input_scale"), "F32", np.array(7))
        return E2M1[codes] * from_f8_e4m3(scale_codes).repeat(16, -1) * factor.astype("<f4")


class Mlx(Scheme):
    """`own`: pattern of names -> (bits, group size) of those tensors."""
    never = re.compile(r"lm_head|embed_tokens|o_proj$")

    def __init__(self, bits, group, scales="BF16", own=(), mode=True):
        self.bits, self.group, self.scales, self.own = bits, group, scales, own
        self.config = {"quantization": {"group_size": group, "bits": bits} | ({"mode": "affine"} if mode else {})}

    def takes(self, name, shape):
        return super().takes(name, shape) and shape[-1] % self.group == 0

    def store(self, c, name, shape):
        bits, group = self.bits, self.group
        for pattern, (own_bits, own_group) in self.own:
            if re.search(pattern, name):
                bits, group = own_bits, own_group
                c.config["quantization"][name.removesuffix(".weight")] = {"group_size": group, "bits": bits}
        codes = c.random.integers(0, 1 << bits, shape, "u1")
        codes.flat[:2] = 0, (1 << bits) - 1
        c.tensors[name] = ("U32", pack_bits(codes, bits))
        groups = (*shape[:-1], shape[-1] // group)
        scales = c.store(beside(name, "scales"), self.scales, c.random.normal(0, 0.02, groups))
        biases = c.store(beside(name, "biases"), self.scales, c.random.normal(0, 0.1, groups))
        return codes.astype("<f4") * scales.repeat(group, -1) + biases.repeat(group, -1)


def compressed(strategy, kind="float", **weights):
    return {"quant_method": "compressed-tensors", "format": f"{kind}-quantized", "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": {
                "num_bits": 8, "type": kind, "strategy": strategy, **weights}}}}


MODELOPT_FP8 = {"quant_method": "modelopt", "quant_algo": "FP8"}
UNUSED = ("input_scale", "k_scale")
WIDE = {"hidden": 64, "head": 16, "shared": 32}  # rows of whole groups
WIDE_MLA = {"hidden": 64, "q_rank": 32, "kv_rank": 32, "heads": 6}
MLA = ("deepseek32", "DeepseekV32ForCausalLM", "deepseek_v32")

case("qwen35-fp8-tensor", scheme=Fp8("tensor", "weight_scale_inv", config={"quant_method": "fp8"}))(qwen35)
case("qwen35-fp8-mistral", scheme=Fp8("tensor", "qscale_weight", "BF16", config={"quant_method": "fp8"},
                                      unused=("qscale_act",)))(qwen35)
case("qwen35-fp8-row", scheme=Fp8("row", scales="BF16", config=compressed("channel")))(qwen35)
case("qwen35-fp8-compressed-blocks",
     scheme=Fp8((24, 16), config=compressed("block", block_structure=[24, 16])))(qwen35)
case("qwen35-fp8-modelopt", scheme=Fp8("tensor", config=MODELOPT_FP8, unused=UNUSED))(qwen35)
case("qwen35-fp8-e5m2", scheme=Fp8("row", dtype="F8_E5M2", scales="F16", config=compressed("channel")))(qwen35)
case("qwen35-int8", scheme=Fp8("row", dtype="I8", config=compressed("channel", "int")))(qwen35)
case("qwen35moe-fp8-powers", experts=3, hidden=136, head=26, shared=132,
     scheme=Fp8((128, 128), "scale", "F8_E8M0", config={"quant_method": "fp8", "scale_fmt": "ue8m0",
                                                        "weight_block_size": [128, 128]}))(qwen_moe)
case("qwen35moe-fp8-fused", experts=3, fused=True,
     scheme=Fp8((16, 24), "weight_scale_inv", "BF16", config={"quant_method": "fp8",
                                                              "weight_block_size": [16, 24]}))(qwen_moe)
case("qwen35moe-fp8-fused-matrix", experts=3, fused=True, scheme=Fp8("matrix", config=MODELOPT_FP8))(qwen_moe)
case("qwen35moe-nvfp4", experts=3, scheme=Nvfp4(), **WIDE)(qwen_moe)
case("qwen35moe-nvfp4-fused", experts=3, fused=True, scheme=Nvfp4(factors="matrix"), **WIDE)(qwen_moe)
case("qwen35moe-nvfp4-packed", experts=3, scheme=Nvfp4(packed=True), **WIDE)(qwen_moe)
case("qwen35moe-mlx4", experts=11, scheme=Mlx(4, 32, own=[(r"mlp\.gate\.weight$|shared_expert_gate", (8, 64))]),
     **WIDE)(qwen_moe)
case("qwen35moe-mlx8", experts=3, fused=True, scheme=Mlx(8, 64, "F32", mode=False), **WIDE)(qwen_moe)
for few in 2, 3, 5, 6:
    case(f"qwen35moe-mlx{few}", experts=2, scheme=Mlx(few, 32, "F16"), **WIDE)(qwen_moe)
case("deepseek32-fp8-row", *MLA, indexer=True, own_vocab=True, scheme=Fp8("row", config=compressed("channel")))(mla)
case("deepseek32-nvfp4-packed", *MLA, indexer=True, scheme=Nvfp4(packed=True), **WIDE_MLA)(mla)
case("deepseek32-mlx4", *MLA, scheme=Mlx(4, 32), **WIDE_MLA)(mla)
case("mimo2-separate-fp8-row", "MiMoV2FlashForCausalLM", "mimo_v2_flash", qkv="separate",
     scheme=Fp8("row", config=compressed("channel")))(mimo2)
case("mimo2-fp8-tensor", "MiMoV2ForCausalLM", "mimo_v2", qkv="fused",
     scheme=Fp8("tensor", config=MODELOPT_FP8))(mimo2)
