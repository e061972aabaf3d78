#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tiny Hugging Face checkpoints of every family with an MTP head, and for each the head as GGUF.

DIR/NAME/ holds config.json and safetensors files, named and sharded as such models are published; DIR/NAME.gguf holds
the tensors that llama.cpp's convert_hf_to_gguf.py makes of the head, and the keys that tell their dimensions. Shares
no code with the program under test. Within a case the dimensions differ from each other, so that swapped ones show.
"""

import argparse
import importlib
import json
import re
import struct
import sys
from pathlib import Path

import numpy as np

from gguf_file import ARRAY, BF16, BOOL, F16, F32, F32_VALUE, I32, STRING, U32, GgufFile, Tensor

CASES = {}  # name -> function that returns a Case

VOCAB = 46

# How the norms of a checkpoint are stored: (their usual value, what the converter adds).
PLAIN, MINUS_ONE, SHIFTED_ALREADY = (1, 0), (0, 1), (1, 0)


# numbers

def to_bf16(values):
    """Nearest, ties to even, as gguf-py rounds. Not for NaN."""
    bits = values.astype("<f4").view("<u4")
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")


def from_bf16(raw):
    return (raw.astype("<u4") << 16).view("<f4")


def from_f8_e4m3(raw):
    """Sign, 4 bits of exponent with bias 7, 3 of mantissa; no infinities, NaN is all ones."""
    exponent, mantissa = raw >> 3 & 15, (raw & 7).astype("<f4")
    magnitude = np.where(exponent == 0, np.ldexp(mantissa, -9), np.ldexp(8 + mantissa, exponent.astype(int) - 10))
    magnitude[raw & 0x7F == 0x7F] = np.nan
    return np.copysign(magnitude, np.where(raw & 0x80, -1, 1)).astype("<f4")


def check_numbers():
    known = {0x00: 0, 0x01: 2**-9, 0x07: 7 * 2**-9, 0x08: 2**-6, 0x38: 1, 0x39: 1.125, 0x7E: 448, 0xB8: -1, 0xFE: -448}
    found = from_f8_e4m3(np.arange(256, dtype="u1"))
    assert all(found[code] == value for code, value in known.items())
    assert np.flatnonzero(np.isnan(found)).tolist() == [0x7F, 0xFF] and np.signbit(found[0x80])
    assert np.all(np.diff(found[:0x7F]) > 0)
    ties = np.array([1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -1 - 2**-8], "<f4")
    assert from_bf16(to_bf16(ties)).tolist() == [1, 1 + 2**-6, 1 + 2**-7, -1]
    every = np.arange(0x7F80, dtype="<u2")
    assert np.array_equal(to_bf16(from_bf16(every)), every)


DECODE = {"F32": lambda raw: raw, "F16": lambda raw: raw.astype("<f4"), "BF16": from_bf16, "F8_E4M3": from_f8_e4m3}
ENCODE = {"F32": lambda values: values.astype("<f4"), "F16": lambda values: values.astype("<f2"), "BF16": to_bf16}


# safetensors

def write_safetensors(path, tensors):
    """`tensors`: name -> (dtype, raw array). Ordered as by the safetensors library: widest type first, then by name."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    tensors = dict(sorted(tensors.items(), key=lambda item: (-item[1][1].itemsize, item[0])))
    for name, (dtype, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(raw.shape), "data_offsets": [at, at + raw.nbytes]}
        at += raw.nbytes
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + b"".join(raw.tobytes() for _, raw in tensors.values()))


# a checkpoint and what its head must become

# These end a tensor's name; every other name in the tables lacks its ".weight". "=" after it says that there is none.
WHOLE_NAME = (".weight", ".bias", "_bias", ".experts.gate_up_proj", ".experts.down_proj", "exp_probs_b")
KEPT_IN_F32 = re.compile(r"e_score_correction|expert_bias|hc_(attn|ffn|head)_(fn|base|scale)|attn_sink=|ffn\.gate\.bias"
                         r"|compress_ape")
# What publishers leave in BF16 when the rest is FP8: vocabulary, routers, the projection of the head's input.
NEVER_FP8 = re.compile(r"mtp\.fc|eh_proj|mlp\.gate$|shared_expert_gate|shared_head|lm_head|embed_tokens|weights_proj")


def full(name):
    if name.endswith("="):
        return name[:-1]
    return name if name.endswith(WHOLE_NAME) else name + ".weight"


class Case:
    """`files`: (pattern of tensor names, file that holds them), the first match counts."""

    def __init__(self, arch, config, trunk, blocks=1, dtype="BF16", norms=PLAIN, fp8=None, scales="F32", scheme=None,
                 files=(("", "model.safetensors"),)):
        self.arch, self.config, self.trunk, self.blocks = arch, config, trunk, blocks
        self.dtype, (self.norm, self.added), self.fp8, self.scales, self.files = dtype, norms, fp8, scales, files
        self.scheme = scheme  # of make_quantised.py
        self.tensors = {}   # name -> (dtype, raw array)
        self.expected = []  # Tensor
        self.random = np.random.default_rng(1)
        if fp8:
            config["quantization_config"] = {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
                                             "weight_block_size": list(fp8)}
        config |= scheme.config if scheme else {}

    def store(self, name, dtype, values):
        self.tensors[name] = (dtype, ENCODE[dtype](values))
        return DECODE[dtype](self.tensors[name][1])

    def store_f8(self, name, shape):
        """One scale for each block of `self.fp8` rows and columns; the last blocks of a side may be smaller."""
        raw = self.random.integers(0, 0x7F, shape, "u1") | self.random.integers(0, 2, shape, "u1") << 7
        raw.flat[:6] = 0x00, 0x80, 0x01, 0x87, 0x7E, 0xFE  # zeros, subnormals, the largest
        self.tensors[name] = ("F8_E4M3", raw)
        blocks = tuple(-(-side // block) for side, block in zip(shape, self.fp8))
        return from_f8_e4m3(raw) * spread(self.store_scales(name, blocks), self.fp8, shape)

    def store_scales(self, name, shape):
        return self.store(name + "_scale_inv", self.scales, self.random.uniform(1e-4, 9e-4, shape))

    def make(self, name, shape):
        """Stores a random tensor; returns its values."""
        whole = full(name)
        if len(shape) == 1:
            if "norm" in name and whole.endswith(".weight"):
                values = self.random.normal(self.norm, 0.1, shape)
                if self.dtype == "F16":
                    # The converter adds 1 in F16. Of these values the sum is exact, in F16 and in F32.
                    values = np.round(values * 1024) / 1024
                return self.store(whole, self.dtype, values) + np.float32(self.added)
            return self.store(whole, self.dtype_of(name), self.random.normal(0, 0.3, shape))
        if self.fp8 and not NEVER_FP8.search(name):
            return self.store_f8(whole, shape)
        if self.scheme and self.scheme.takes(name, shape):
            return self.scheme.store(self, whole, shape)
        return self.store(whole, self.dtype_of(name), self.random.normal(0, 0.05, shape))

    def dtype_of(self, name):
        return "F32" if KEPT_IN_F32.search(name) else self.dtype

    def expect(self, name, values, dtype=None):
        """The converter's types: F32 for vectors, norms, routers and what is no weight, else that of the checkpoint."""
        name = full(name)
        as_f32 = (values.ndim == 1 or name.endswith("_norm.weight") or "ffn_gate_inp" in name
                  or name.endswith("indexer.proj.weight") or not name.endswith(".weight"))
        dtype = "F32" if as_f32 else dtype or self.dtype
        self.expected.append(Tensor(name, values.shape[::-1], {"F32": F32, "F16": F16, "BF16": BF16}[dtype],
                                    ENCODE[dtype](values).tobytes()))

    def rows(self, source, block, table):
        """`table`: (name after `source`, name after `block`, shape)."""
        for name, became, shape in table:
            self.expect(block + became, self.make(source + name, shape), self.dtype_of(name))

    def experts(self, source, block, count, width, hidden, pattern="mlp.experts.{}.{}_proj",
                names=(("gate", "gate"), ("up", "up"), ("down", "down"))):
        """One matrix for each expert, stacked. From ten experts on, the order of names is not that of numbers."""
        for name, became in names:
            shape = (hidden, width) if became == "down" else (width, hidden)
            stack = [self.make(source + pattern.format(k, name), shape) for k in range(count)]
            self.expect(f"{block}ffn_{became}_exps", np.stack(stack))

    def kv_b(self, source, block, heads, nope, value, rank, name="self_attn.kv_b_proj"):
        """Split for llama.cpp's MLA: keys transposed for each head, values as they are."""
        both = self.make(source + name, (heads * (nope + value), rank))
        both = both.reshape(heads, nope + value, rank)
        self.expect(block + "attn_k_b", both[:, :nope].transpose(0, 2, 1))
        self.expect(block + "attn_v_b", both[:, nope:])

    def add_trunk(self, hidden, prefix="model.", embedding="embed_tokens", norm="norm", head="lm_head",
                  layer_norm="input_layernorm", attention="self_attn.o_proj"):
        """Tensors that are no part of the head, the last block's among them."""
        last = f"{prefix}layers.{self.trunk - 1}."
        for name, shape in ((prefix + embedding, (VOCAB, hidden)), (prefix + norm, (hidden,)), (head, (VOCAB, hidden)),
                            (f"{prefix}layers.0.{layer_norm}", (hidden,)), (last + layer_norm, (hidden,)),
                            (last + attention, (hidden, 16))):
            self.make(name, shape)
        return self

    def write(self, folder, name):
        model = folder / name
        model.mkdir(parents=True, exist_ok=True)
        (model / "config.json").write_text(json.dumps(self.config, indent=2) + "\n")
        weight_map = {tensor: next(file for pattern, file in self.files if re.search(pattern, tensor))
                      for tensor in self.tensors}
        for file in set(weight_map.values()):
            write_safetensors(model / file, {key: value for key, value in self.tensors.items()
                                             if weight_map[key] == file})
        if len(self.files) > 1:
            index = {"metadata": {"total_size": sum(raw.nbytes for _, raw in self.tensors.values())},
                     "weight_map": dict(sorted(weight_map.items()))}
            (model / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
        keys = {f"{self.arch}.{key}": value for key, value in converter_keys(self).items()}
        GgufFile(keys={"general.architecture": (STRING, self.arch), **keys},
                 tensors=self.expected).write(folder / f"{name}.gguf")


# What the converter names for every model, as far as it concerns the head; of several names the first counts.
COUNTS = {
    "embedding_length": ["hidden_size"], "feed_forward_length": ["intermediate_size"],
    "attention.head_count": ["num_attention_heads"], "attention.head_count_kv": ["num_key_value_heads"],
    "attention.key_length": ["head_dim"], "attention.value_length": ["head_dim"],
    "expert_count": ["num_experts", "n_routed_experts", "moe_num_experts"],
    "expert_feed_forward_length": ["moe_intermediate_size"], "expert_shared_count": ["n_shared_experts"],
    "expert_shared_feed_forward_length": ["shared_expert_intermediate_size", "share_expert_dim"],
}


def converter_keys(c):
    """Key after the architecture's name -> (type, value)."""
    config, blocks = c.config.get("text_config", c.config.get("llm_config", c.config)), c.trunk + c.blocks
    keys = {"block_count": (U32, blocks), "nextn_predict_layers": (U32, c.blocks)}
    keys |= {key: (U32, next(config[name] for name in names if name in config)) for key, names in COUNTS.items()
             if any(name in config for name in names)}
    theta = config.get("rope_theta", config.get("rope_parameters", {}).get("rope_theta"))
    if isinstance(theta, list):
        theta = theta[0]
    if theta:
        keys["rope.freq_base"] = (F32_VALUE, theta)
    if epsilon := config.get("rms_norm_eps", config.get("norm_eps", config.get("layernorm_epsilon"))):
        keys["attention.layer_norm_rms_epsilon"] = (F32_VALUE, epsilon)
    if "kv_lora_rank" in config:
        rank, rotated = config["kv_lora_rank"], config["qk_rope_head_dim"]
        # Multi-head latent attention becomes attention with one, larger, key and value head.
        if "q_lora_rank" in config:
            keys["attention.q_lora_rank"] = (U32, config["q_lora_rank"])
        keys |= {"attention.head_count_kv": (U32, 1), "attention.kv_lora_rank": (U32, rank),
                 "attention.key_length": (U32, rank + rotated),
                 "attention.value_length": (U32, rank), "attention.value_length_mla": (U32, config["v_head_dim"]),
                 "attention.key_length_mla": (U32, config["qk_nope_head_dim"] + rotated)}
    if c.arch == "mimo2":
        slides = config["hybrid_layer_pattern"] + [1] * c.blocks
        counts = [config["swa_num_key_value_heads"] if slide else config["num_key_value_heads"] for slide in slides]
        keys |= {"attention.head_count_kv": (ARRAY, (I32, counts)),
                 "attention.value_length": (U32, config["v_head_dim"]),
                 "attention.sliding_window_pattern": (ARRAY, (I32, slides))}
    if c.arch == "step35":
        other = config["attention_other_setting"]
        slides = [kind == "sliding_attention" for kind in config["layer_types"][:blocks]]
        for key, name in (("head_count", "num_attention_heads"), ("head_count_kv", "num_attention_groups")):
            counts = [other[name] if slide else config[name] for slide in slides]
            keys[f"attention.{key}"] = (ARRAY, (I32, counts))
        keys["attention.sliding_window_pattern"] = (ARRAY, (BOOL, slides))
        for key, name in (("swiglu_clamp_exp", "swiglu_limits"), ("swiglu_clamp_shexp", "swiglu_limits_shared")):
            keys[key] = (ARRAY, (F32_VALUE, [limit or 0.0 for limit in config[name][:blocks]]))
    if c.arch == "hy_v3":
        width = config["moe_intermediate_size"] * config["num_shared_experts"]
        keys["expert_shared_feed_forward_length"] = (U32, width)
    return keys | OTHER_KEYS.get(c.arch, lambda c, config, blocks: {})(c, config, blocks)


def slides(config):
    return {"attention.sliding_window_pattern":
            (ARRAY, (BOOL, [kind == "sliding_attention" for kind in config["layer_types"]]))}


def cohere_keys(c, config, blocks):
    width = config["intermediate_size"]
    return slides(config) | {
        "feed_forward_length": (U32, config["prefix_dense_intermediate_size"]),
        "expert_feed_forward_length": (U32, width), "expert_shared_count": (U32, config["num_shared_experts"]),
        "expert_shared_feed_forward_length": (U32, width * config["num_shared_experts"])}


def nemotron_keys(c, config, blocks):
    kinds = config.get("hybrid_override_pattern") or config["layers_block_type"]
    attends = [kind in ("*", "attention") for kind in kinds] + [True]
    routes = [kind in ("E", "moe") for kind in kinds] + [True]
    return {"attention.head_count_kv": (ARRAY, (I32, [attend * config["num_key_value_heads"] for attend in attends])),
            "feed_forward_length": (ARRAY, (I32, [route * config["moe_intermediate_size"] for route in routes])),
            "expert_shared_feed_forward_length": (U32, config["moe_shared_expert_intermediate_size"])}


def ling3_keys(c, config, blocks):
    group = config["layer_group_size"]
    attends = [(i + 1) % group == 0 or i >= c.trunk // group * group for i in range(c.trunk)] + [True] * c.blocks
    keys = {"attention.head_count_kv": (ARRAY, (I32, [int(attend) for attend in attends])),
            "attention.value_length": (U32, config["head_dim"]),
            "expert_shared_count": (U32, config["num_shared_experts"]),
            "expert_shared_feed_forward_length": (U32, config["moe_shared_expert_intermediate_size"])}
    for key, name in (("swiglu_clamp_exp", "expert_swiglu_limit_list"),
                      ("swiglu_clamp_shexp", "share_expert_swiglu_limit_list")):
        limits = [limit or 0.0 for limit in config[name]] + [0.0] * blocks
        keys[key] = (ARRAY, (F32_VALUE, limits[:blocks]))
    return keys


def ling2_keys(c, config, blocks):
    shared = config["num_shared_experts"]
    return {"expert_shared_count": (U32, shared),
            "expert_shared_feed_forward_length": (U32, config["moe_intermediate_size"] * shared)}


def deepseek4_keys(c, config, blocks):
    limits = (ARRAY, (F32_VALUE, [config["swiglu_limit"]] * blocks))
    return {"attention.q_lora_rank": (U32, config["q_lora_rank"]), "swiglu_clamp_exp": limits,
            "swiglu_clamp_shexp": limits, "attention.compress_ratios": (ARRAY, (I32, config["compress_ratios"])),
            "hyper_connection.count": (U32, config["hc_mult"])}


def exaone_keys(c, config, blocks):
    keys = slides(config)
    if c.arch == "exaone-moe":
        shared = config["num_shared_experts"]
        keys |= {"expert_shared_count": (U32, shared),
                 "expert_shared_feed_forward_length": (U32, config["moe_intermediate_size"] * shared)}
    return keys


def dots3_keys(c, config, blocks):
    windowed = [kind == "sliding_attention" for kind in config["layer_types"]]
    counts = [config["swa_num_attention_heads"] if slides else config["num_attention_heads"]
              for slides in windowed + [True]]
    return {"attention.head_count": (ARRAY, (I32, counts)),
            "attention.sliding_window_pattern": (ARRAY, (BOOL, windowed)),
            "attention.indexer.types": (ARRAY, (BOOL, [not slides for slides in windowed]))}


def qwen4exp_keys(c, config, blocks):
    recurs = [kind == "linear_attention" for kind in config["layer_types"]]
    ratios = [0 if recur else config["indexer_compress_ratio"] for recur in recurs]
    return {"attention.compress_ratios": (ARRAY, (I32, ratios + [0] * c.blocks)),
            "hyper_connection.count": (U32, config["hc_count"]),
            "attention.indexer.head_count": (U32, config["indexer_n_heads"]),
            "attention.indexer.key_length": (U32, config["indexer_head_dim"])}


def glm5next_keys(c, config, blocks):
    attends = [kind == "deepseek_sparse_attention" for kind in config["layer_types"]] + [True] * c.blocks
    limits = (ARRAY, (F32_VALUE, [config["swiglu_limit"]] * blocks))
    return {"attention.head_count_kv": (ARRAY, (I32, [int(attend) for attend in attends])),
            "expert_shared_feed_forward_length": (U32, config["moe_intermediate_size"] * config["n_shared_experts"]),
            "swiglu_clamp_exp": limits, "swiglu_clamp_shexp": limits,
            "hyper_connection.count": (U32, config["hc_mult"])}


OTHER_KEYS = {"cohere2moe": cohere_keys, "nemotron_h_moe": nemotron_keys, "bailingmoe3": ling3_keys,
              "bailingmoe2": ling2_keys, "deepseek4": deepseek4_keys, "exaone-moe": exaone_keys,
              "exaone4": exaone_keys, "dots3note": dots3_keys, "qwen4exp": qwen4exp_keys, "glm5next": glm5next_keys}


def spread(scales, block, shape):
    """Each scale over its block, cut to the matrix."""
    return scales.repeat(block[0], 0).repeat(block[1], 1)[:shape[0], :shape[1]]


def case(name, *arguments, **options):
    """Registers the decorated function under `name`, to be called with the arguments. May be used several times."""
    def register(make):
        CASES[name] = lambda **others: make(*arguments, **options | others)
        return make
    return register


def shards(*patterns):
    """Trunk first, then a file for each pattern."""
    count = len(patterns) + 1
    named = [(pattern, f"model-{i:05}-of-{count:05}.safetensors") for i, pattern in enumerate(patterns, 2)]
    return (*named, ("", f"model-00001-of-{count:05}.safetensors"))


# Qwen3.5, Qwen3-Next

def qwen_block(c, source, n, hidden, heads, kv_heads, head):
    block = f"blk.{n}."
    c.rows(source, block, [
        ("fc", "nextn.eh_proj", (hidden, 2 * hidden)),
        ("pre_fc_norm_embedding", "nextn.enorm", (hidden,)),
        ("pre_fc_norm_hidden", "nextn.hnorm", (hidden,)),
        ("norm", "nextn.shared_head_norm", (hidden,)),
        ("layers.0.input_layernorm", "attn_norm", (hidden,)),
        ("layers.0.post_attention_layernorm", "post_attention_norm", (hidden,)),
        ("layers.0.self_attn.q_proj", "attn_q", (2 * heads * head, hidden)),  # with the output gate
        ("layers.0.self_attn.k_proj", "attn_k", (kv_heads * head, hidden)),
        ("layers.0.self_attn.v_proj", "attn_v", (kv_heads * head, hidden)),
        ("layers.0.self_attn.o_proj", "attn_output", (hidden, heads * head)),
        ("layers.0.self_attn.q_norm", "attn_q_norm", (head,)),
        ("layers.0.self_attn.k_norm", "attn_k_norm", (head,)),
    ])


def qwen_text_config(model_type, trunk, hidden, heads, kv_heads, head, **more):
    return {"model_type": model_type, "hidden_size": hidden, "num_hidden_layers": trunk, "num_attention_heads": heads,
            "num_key_value_heads": kv_heads, "head_dim": head, "attn_output_gate": True, "full_attention_interval": 4,
            "linear_conv_kernel_dim": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
            "linear_num_key_heads": 2, "linear_num_value_heads": 4,
            "vocab_size": VOCAB, "tie_word_embeddings": False, "rms_norm_eps": 1e-06, **more}


def multimodal(architecture, model_type, text):
    return {"architectures": [architecture], "model_type": model_type, "text_config": text,
            "vision_config": {"model_type": model_type, "depth": 1}, "tie_word_embeddings": False}


@case("qwen35-dense")
# The converter counts mtp.layers.* where the config is silent.
@case("qwen35-dense-no-count", source="model.mtp.", count=None)
@case("qwen35-dense-nested", source="model.language_model.mtp.")
# The converter would add 1 all the same; such a head only drafts well if taken as it is.
@case("qwen35-dense-shifted", norms=SHIFTED_ALREADY)
@case("qwen35-f16", dtype="F16")
# Blocks that are not square, and not of the usual 128: the size is the config's.
@case("qwen35-fp8-blocks", fp8=(24, 16), scales="BF16")
def qwen35(source="mtp.", count=1, norms=MINUS_ONE, **options):
    trunk, hidden, heads, kv_heads, head, ffn = 4, 40, 6, 2, 10, 56
    text = qwen_text_config("qwen3_5_text", trunk, hidden, heads, kv_heads, head, intermediate_size=ffn)
    if count:
        text |= {"mtp_num_hidden_layers": count, "mtp_use_dedicated_embeddings": False}
        config = multimodal("Qwen3_5ForConditionalGeneration", "qwen3_5", text)
    else:
        config = {"architectures": ["Qwen3_5ForCausalLM"], **text}
    c = Case("qwen35", config, trunk, norms=norms, **options)
    qwen_block(c, source, trunk, hidden, heads, kv_heads, head)
    c.rows(source + "layers.0.mlp.", f"blk.{trunk}.", [
        ("gate_proj", "ffn_gate", (ffn, hidden)), ("up_proj", "ffn_up", (ffn, hidden)),
        ("down_proj", "ffn_down", (hidden, ffn)),
    ])
    return c.add_trunk(hidden, "model.language_model." if count else "model.")


def qwen_experts(c, layer, block, hidden, experts, width, shared, fused):
    c.rows(layer + "mlp.", block, [
        ("gate", "ffn_gate_inp", (experts, hidden)),
        ("shared_expert.gate_proj", "ffn_gate_shexp", (shared, hidden)),
        ("shared_expert.up_proj", "ffn_up_shexp", (shared, hidden)),
        ("shared_expert.down_proj", "ffn_down_shexp", (hidden, shared)),
    ])
    c.expect(block + "ffn_gate_inp_shexp", c.make(layer + "mlp.shared_expert_gate", (1, hidden))[0])
    if fused:
        gate_up = c.make(layer + "mlp.experts.gate_up_proj", (experts, 2 * width, hidden))
        c.expect(block + "ffn_gate_exps", gate_up[:, :width])
        c.expect(block + "ffn_up_exps", gate_up[:, width:])
        c.expect(block + "ffn_down_exps", c.make(layer + "mlp.experts.down_proj", (experts, hidden, width)))
    else:
        c.experts(layer, block, experts, width, hidden)


@case("qwen35moe-fused", experts=5, fused=True)
@case("qwen35moe-experts", experts=12, files=shards(r"^mtp\..*experts\.([02468]|10)\.", r"^mtp\."))
@case("qwen35moe-fp8", experts=3, hidden=136, head=26, shared=132, fp8=(128, 128), scales="BF16")
@case("qwen3next", "qwen3next", experts=11, hidden=48, head=14, files=shards(r"^mtp\."))
def qwen_moe(arch="qwen35moe", experts=5, fused=False, hidden=40, head=10, shared=28, **options):
    trunk, heads, kv_heads, width = 8, 6, 2, 22
    moe = {"num_experts": experts, "num_experts_per_tok": 2, "moe_intermediate_size": width,
           "shared_expert_intermediate_size": shared}
    if arch == "qwen3next":  # its config never tells how many blocks the head has
        config = {"architectures": ["Qwen3NextForCausalLM"],
                  **qwen_text_config("qwen3_next", trunk, hidden, heads, kv_heads, head, **moe)}
        trunk_prefix = "model."
    else:
        config = multimodal("Qwen3_5MoeForConditionalGeneration", "qwen3_5_moe",
                            qwen_text_config("qwen3_5_moe_text", trunk, hidden, heads, kv_heads, head,
                                             mtp_num_hidden_layers=1, **moe))
        trunk_prefix = "model.language_model."
    c = Case(arch, config, trunk, norms=MINUS_ONE, **options)
    qwen_block(c, "mtp.", trunk, hidden, heads, kv_heads, head)
    layer, block = "mtp.layers.0.", f"blk.{trunk}."
    qwen_experts(c, layer, block, hidden, experts, width, shared, fused)
    return c.add_trunk(hidden, trunk_prefix)


# GLM, DeepSeek: the head is the block after the last

def appended(c, n, hidden, prefix="model."):
    c.rows(f"{prefix}layers.{n}.", f"blk.{n}.", [
        ("eh_proj", "nextn.eh_proj", (hidden, 2 * hidden)), ("enorm", "nextn.enorm", (hidden,)),
        ("hnorm", "nextn.hnorm", (hidden,)), ("input_layernorm", "attn_norm", (hidden,)),
    ])


def routed_ffn(c, n, hidden, experts, width, shared, prefix="model."):
    source, block = f"{prefix}layers.{n}.", f"blk.{n}."
    c.rows(source + "mlp.", block, [
        ("gate", "ffn_gate_inp", (experts, hidden)),
        ("gate.e_score_correction_bias", "exp_probs_b.bias", (experts,)),
        ("shared_experts.gate_proj", "ffn_gate_shexp", (shared, hidden)),
        ("shared_experts.up_proj", "ffn_up_shexp", (shared, hidden)),
        ("shared_experts.down_proj", "ffn_down_shexp", (hidden, shared)),
    ])
    c.experts(source, block, experts, width, hidden)


@case("glm4moe")
def glm4moe():
    trunk, hidden, heads, kv_heads, head, experts, width, shared = 3, 40, 6, 2, 10, 11, 22, 44
    config = {"architectures": ["Glm4MoeForCausalLM"], "model_type": "glm4_moe", "hidden_size": hidden,
              "num_hidden_layers": trunk, "num_nextn_predict_layers": 1, "num_attention_heads": heads,
              "num_key_value_heads": kv_heads, "head_dim": head, "attention_bias": True, "use_qk_norm": True,
              "intermediate_size": 52, "moe_intermediate_size": width, "n_routed_experts": experts,
              "n_shared_experts": 2, "first_k_dense_replace": 1, "vocab_size": VOCAB, "rms_norm_eps": 1e-05,
              "rope_theta": 1_000_000}
    # A name that model*.safetensors does not find: only the index leads to it.
    c = Case("glm4moe", config, trunk, files=((rf"\.layers\.{trunk}\.", "mtp.safetensors"),
                                              (r"\.layers\.", "model-00002-of-00002.safetensors"),
                                              ("", "model-00001-of-00002.safetensors")))
    appended(c, trunk, hidden)
    c.rows(f"model.layers.{trunk}.", f"blk.{trunk}.", [
        ("self_attn.q_proj", "attn_q", (heads * head, hidden)),
        ("self_attn.q_proj.bias", "attn_q.bias", (heads * head,)),
        ("self_attn.k_proj", "attn_k", (kv_heads * head, hidden)),
        ("self_attn.k_proj.bias", "attn_k.bias", (kv_heads * head,)),
        ("self_attn.v_proj", "attn_v", (kv_heads * head, hidden)),
        ("self_attn.v_proj.bias", "attn_v.bias", (kv_heads * head,)),
        ("self_attn.o_proj", "attn_output", (hidden, heads * head)),
        ("self_attn.q_norm", "attn_q_norm", (head,)), ("self_attn.k_norm", "attn_k_norm", (head,)),
        ("post_attention_layernorm", "post_attention_norm", (hidden,)),
        ("shared_head.norm", "nextn.shared_head_norm", (hidden,)),
    ])
    routed_ffn(c, trunk, hidden, experts, width, shared)
    return c.add_trunk(hidden)


def latent_attention(c, source, block, hidden, heads, q_rank, kv_rank, nope, rope, value):
    c.rows(source, block, [
        ("self_attn.q_a_proj", "attn_q_a", (q_rank, hidden)),
        ("self_attn.q_a_layernorm", "attn_q_a_norm", (q_rank,)),
        ("self_attn.q_b_proj", "attn_q_b", (heads * (nope + rope), q_rank)),
        ("self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa", (kv_rank + rope, hidden)),
        ("self_attn.kv_a_layernorm", "attn_kv_a_norm", (kv_rank,)),
        ("self_attn.o_proj", "attn_output", (hidden, heads * value)),
        ("post_attention_layernorm", "ffn_norm", (hidden,)),
        ("shared_head.norm", "nextn.shared_head_norm", (hidden,)),
    ])
    c.kv_b(source, block, heads, nope, value, kv_rank)


def indexer_rows(c, source, block, hidden, q_rank, heads, head):
    c.rows(source + "self_attn.indexer.", block + "indexer.", [
        ("wk", "attn_k", (head, hidden)), ("wq_b", "attn_q_b", (heads * head, q_rank)),
        ("k_norm", "k_norm", (head,)), ("k_norm.bias", "k_norm.bias", (head,)),
        ("weights_proj", "proj", (heads, hidden)),
    ])


@case("glm47flash", "deepseek2", "Glm4MoeLiteForCausalLM", "glm4_moe_lite",
      files=shards(r"\.layers\.3\.self_attn", r"\.layers\.3\."))
@case("glm5", "glm-dsa", "GlmMoeDsaForCausalLM", "glm_moe_dsa", indexer=True, hidden=48,
      files=shards(r"\.layers\.3\..*experts\.(0|5|10)\.", r"\.layers\.3\."))
# The converter leaves out the heads of DeepSeek-V3, R1 and V3.1; what GLM-4.7-Flash's become is what theirs would.
@case("deepseek3", "deepseek2", "DeepseekV3ForCausalLM", "deepseek_v3", own_vocab=True, hidden=136, q_rank=130,
      kv_rank=34, fp8=(128, 128), files=shards(r"\.layers\.[34]\."))
@case("deepseek32", "deepseek32", "DeepseekV32ForCausalLM", "deepseek_v32", indexer=True, own_vocab=True, hidden=136,
      q_rank=130, kv_rank=34, heads=6, fp8=(128, 128), files=shards(r"\.layers\.3\."))
def mla(arch, architecture, model_type, indexer=False, own_vocab=False, hidden=40, q_rank=26, kv_rank=18, heads=5,
        nope=12, rope=4, value=14, experts=11, width=24, trunk=3, **options):
    index_heads, index_head = 7, 16
    config = {"architectures": [architecture], "model_type": model_type, "hidden_size": hidden,
              "num_hidden_layers": trunk, "num_nextn_predict_layers": 1, "num_attention_heads": heads,
              "num_key_value_heads": heads, "q_lora_rank": q_rank, "kv_lora_rank": kv_rank, "qk_nope_head_dim": nope,
              "qk_rope_head_dim": rope, "v_head_dim": value, "intermediate_size": 52, "moe_intermediate_size": width,
              "n_routed_experts": experts, "n_shared_experts": 1, "first_k_dense_replace": 1, "vocab_size": VOCAB,
              "routed_scaling_factor": 1.8, "norm_topk_prob": True,
              "rms_norm_eps": 1e-05, "rope_parameters": {"rope_theta": 1_000_000, "rope_type": "default"}}
    if indexer:
        config |= {"index_n_heads": index_heads, "index_head_dim": index_head, "index_topk": 8}
    c = Case(arch, config, trunk, **options)
    source, block = f"model.layers.{trunk}.", f"blk.{trunk}."
    appended(c, trunk, hidden)
    latent_attention(c, source, block, hidden, heads, q_rank, kv_rank, nope, rope, value)
    if indexer:
        indexer_rows(c, source, block, hidden, q_rank, index_heads, index_head)
    if own_vocab:
        c.rows(source, block, [("embed_tokens", "nextn.embed_tokens", (VOCAB, hidden)),
                               ("shared_head.head", "nextn.shared_head_head", (VOCAB, hidden))])
    routed_ffn(c, trunk, hidden, experts, width, width)
    return c.add_trunk(hidden)


# MiMo-V2

def split_by_rank(c, name, ranks, q, k, v, hidden):
    """A fused projection as MiMo-V2.5 ships it: the rows of each rank are its part of q, of k, of v, and the blocks
    of scales start anew with each rank. Returns all of q, all of k, all of v."""
    raw = c.random.integers(0, 0x7F, (q + k + v, hidden), "u1")
    c.tensors[name] = ("F8_E4M3", raw)
    rows = (q + k + v) // ranks
    blocks = -(-rows // c.fp8[0])
    scales = c.store_scales(name, (ranks * blocks, -(-hidden // c.fp8[1])))
    parts = [[], [], []]
    for rank in range(ranks):
        piece = from_f8_e4m3(raw[rank * rows:][:rows])
        piece = piece * spread(scales[rank * blocks:][:blocks], c.fp8, piece.shape)
        for part, values in zip(parts, np.split(piece, [q // ranks, (q + k) // ranks])):
            part.append(values)
    return np.concatenate(sum(parts, []))


# The converter never learns the number of blocks: it is 3 for every model of the family.
# The layout by rank is that of the converter for the trunk's qkv_proj. Its pattern (model.layers.N) misses the head's
# names (model.mtp.layers.N), which it takes as plain blocks and leaves in the order of ranks. vLLM reads the head's
# projections by rank, so that is what they are.
@case("mimo2", "MiMoV2ForCausalLM", "mimo_v2", qkv="by rank", fp8=(128, 128))
@case("mimo2-bf16", "MiMoV2ForCausalLM", "mimo_v2", qkv="fused")
# MiMo-V2-Flash. The converter leaves q, k and v apart; the graph of llama.cpp's head wants them fused.
@case("mimo2-separate", "MiMoV2FlashForCausalLM", "mimo_v2_flash", qkv="separate")
def mimo2(architecture, model_type, qkv, **options):
    trunk, blocks, hidden, heads, kv_heads, key, value, ffn = 2, 3, 136, 16, 8, 40, 24, 52
    config = {"architectures": [architecture], "model_type": model_type, "hidden_size": hidden,
              "num_hidden_layers": trunk, "hybrid_layer_pattern": [0, 1], "num_attention_heads": heads,
              "num_key_value_heads": 4, "head_dim": key, "v_head_dim": value, "swa_num_attention_heads": heads,
              "swa_num_key_value_heads": kv_heads, "swa_head_dim": key, "swa_v_head_dim": value,
              "intermediate_size": ffn, "n_routed_experts": 4, "moe_intermediate_size": 12, "vocab_size": VOCAB,
              "topk_method": "noaux_tc", "sliding_window": 128, "partial_rotary_factor": 0.334,
              "add_swa_attention_sink_bias": True, "layernorm_epsilon": 1e-06,
              "rope_theta": 5_000_000, "swa_rope_theta": 10_000}
    if qkv != "separate":
        config["attention_projection_layout"] = "fused_qkv"
    c = Case("mimo2", config, trunk, blocks, files=shards(r"^model\.mtp\."), **options)
    q, k, v = heads * key, kv_heads * key, kv_heads * value
    for i in range(blocks):
        source, block = f"model.mtp.layers.{i}.", f"blk.{trunk + i}."
        c.rows(source, block, [
            ("eh_proj", "nextn.eh_proj", (hidden, 2 * hidden)), ("enorm", "nextn.enorm", (hidden,)),
            ("hnorm", "nextn.hnorm", (hidden,)), ("input_layernorm", "attn_norm", (hidden,)),
            ("self_attn.o_proj", "attn_output", (hidden, heads * value)),
            ("self_attn.attention_sink_bias", "attn_sinks", (heads,)),
            ("pre_mlp_layernorm", "ffn_norm", (hidden,)), ("final_layernorm", "layer_output_norm", (hidden,)),
            ("mlp.gate_proj", "ffn_gate", (ffn, hidden)), ("mlp.up_proj", "ffn_up", (ffn, hidden)),
            ("mlp.down_proj", "ffn_down", (hidden, ffn)),
        ])
        if qkv == "by rank":
            name = source + "self_attn.qkv_proj.weight"
            c.expect(block + "attn_qkv", split_by_rank(c, name, 4, q, k, v, hidden))
        elif qkv == "fused":
            c.rows(source, block, [("self_attn.qkv_proj", "attn_qkv", (q + k + v, hidden))])
        else:
            # The converter leaves them apart, and llama.cpp's graph of the head wants them in one.
            parts = [c.make(f"{source}self_attn.{name}_proj", (rows, hidden))
                     for name, rows in (("q", q), ("k", k), ("v", v))]
            c.expect(block + "attn_qkv", np.concatenate(parts))
    return c.add_trunk(hidden)


# Step-3.5, HY3

@case("step35")
# The text model of Step-3.7 is Step-3.5's.
@case("step37", wrapped=True)
def step35(wrapped=False, hidden=40, heads=6, full_heads=4, kv_heads=2, head=10, ffn=56, experts=3, width=12,
           shared=14):
    trunk, blocks = 4, 3
    config = {"architectures": ["Step3p5ForCausalLM"], "model_type": "step3p5", "hidden_size": hidden,
              "num_hidden_layers": trunk, "num_nextn_predict_layers": blocks, "num_attention_heads": full_heads,
              "num_attention_groups": 1, "head_dim": head, "intermediate_size": ffn, "vocab_size": VOCAB,
              "layer_types": ["full_attention"] + ["sliding_attention"] * 6, "moe_layers_enum": "1,2,3",
              "partial_rotary_factors": [0.5] + [1.0] * 6, "moe_num_experts": experts, "moe_intermediate_size": width,
              "share_expert_dim": shared, "moe_top_k": 2, "sliding_window": 512, "rms_norm_eps": 1e-06,
              "rope_theta": [5_000_000.0] + [10_000.0] * 6,
              "swiglu_limits": [0.0, 0.0, 7.0, None, 0.0, 5.0, 0.0],
              "swiglu_limits_shared": [0.0, 16.0, 0.0, 0.0, 0.0, 0.0, 12.0],
              "attention_other_setting": {"attention_type": "sliding_attention", "num_attention_heads": heads,
                                          "num_attention_groups": kv_heads, "head_dim": head}}
    prefix = "model.language_model." if wrapped else "model."
    if wrapped:
        config = multimodal("Step3p7ForConditionalGeneration", "step3p7", config)
    c = Case("step35", config, trunk, blocks, norms=MINUS_ONE, files=shards(r"\.layers\.[45]\.", r"\.layers\.6\."))
    for n in range(trunk, trunk + blocks):
        appended(c, n, hidden, prefix)
        c.rows(f"{prefix}layers.{n}.", f"blk.{n}.", [
            ("self_attn.q_proj", "attn_q", (heads * head, hidden)),
            ("self_attn.k_proj", "attn_k", (kv_heads * head, hidden)),
            ("self_attn.v_proj", "attn_v", (kv_heads * head, hidden)),
            ("self_attn.o_proj", "attn_output", (hidden, heads * head)),
            ("self_attn.g_proj", "attn_gate", (heads, hidden)),
            ("self_attn.q_norm", "attn_q_norm", (head,)), ("self_attn.k_norm", "attn_k_norm", (head,)),
            ("post_attention_layernorm", "ffn_norm", (hidden,)),
            ("mlp.gate_proj", "ffn_gate", (ffn, hidden)), ("mlp.up_proj", "ffn_up", (ffn, hidden)),
            ("mlp.down_proj", "ffn_down", (hidden, ffn)),
            ("transformer.shared_head.norm", "nextn.shared_head_norm", (hidden,)),
            ("transformer.shared_head.output", "nextn.shared_head_head", (VOCAB, hidden)),
        ])
    return c.add_trunk(hidden, prefix)


@case("hy3")
def hy3():
    trunk, hidden, heads, kv_heads, head, experts, width = 3, 40, 6, 2, 10, 11, 22
    config = {"architectures": ["HYV3ForCausalLM"], "model_type": "hy_v3", "hidden_size": hidden,
              "num_hidden_layers": trunk, "num_nextn_predict_layers": 1, "num_attention_heads": heads,
              "num_key_value_heads": kv_heads, "head_dim": head, "qk_norm": True, "intermediate_size": 52,
              "num_experts": experts, "num_experts_per_tok": 2, "num_shared_experts": 1, "expert_hidden_dim": width,
              "moe_intermediate_size": width, "first_k_dense_replace": 1, "vocab_size": VOCAB, "rms_norm_eps": 1e-05,
              "rope_parameters": {"rope_theta": 11_158_840.0, "rope_type": "default"}}
    c = Case("hy_v3", config, trunk, files=shards(rf"\.layers\.{trunk}\."))
    source, block = f"model.layers.{trunk}.", f"blk.{trunk}."
    appended(c, trunk, hidden)
    c.rows(source, block, [
        ("self_attn.q_proj", "attn_q", (heads * head, hidden)),
        ("self_attn.k_proj", "attn_k", (kv_heads * head, hidden)),
        ("self_attn.v_proj", "attn_v", (kv_heads * head, hidden)),
        ("self_attn.o_proj", "attn_output", (hidden, heads * head)),
        ("self_attn.q_norm", "attn_q_norm", (head,)), ("self_attn.k_norm", "attn_k_norm", (head,)),
        ("post_attention_layernorm", "ffn_norm", (hidden,)),
        ("mlp.router.gate", "ffn_gate_inp", (experts, hidden)),
        ("mlp.expert_bias", "exp_probs_b", (experts,)),  # without ".bias" in this family
        ("mlp.shared_mlp.gate_proj", "ffn_gate_shexp", (width, hidden)),
        ("mlp.shared_mlp.up_proj", "ffn_up_shexp", (width, hidden)),
        ("mlp.shared_mlp.down_proj", "ffn_down_shexp", (hidden, width)),
        ("final_layernorm", "nextn.shared_head_norm", (hidden,)),
    ])
    c.experts(source, block, experts, width, hidden)
    return c.add_trunk(hidden)


# Cohere: attention and feed-forward side by side behind one norm

@case("cohere2moe")
# Whatever biases there are, are 0: the converter leaves them out.
@case("cohere2moe-one-shared-expert", shared="shared_expert", biases=True)
def cohere2moe(shared="shared_experts", biases=False, hidden=40, heads=6, kv_heads=2, head=10, experts=11, width=22,
               dense=52, trunk=3, **options):
    config = {"architectures": ["Cohere2MoeForCausalLM"], "model_type": "cohere2_moe", "hidden_size": hidden,
              "num_hidden_layers": trunk, "num_nextn_predict_layers": 1, "num_attention_heads": heads,
              "num_key_value_heads": kv_heads, "head_dim": head, "intermediate_size": width,
              "prefix_dense_intermediate_size": dense, "num_experts": experts, "num_experts_per_tok": 2,
              "num_shared_experts": 1, "first_k_dense_replace": 1, "sliding_window": 4096, "logit_scale": 0.25,
              "layer_types": ["sliding_attention"] * (trunk - 1) + ["full_attention"], "layer_norm_eps": 1e-05,
              "norm_topk_prob": True, "vocab_size": VOCAB, "rope_theta": 50_000}
    c = Case("cohere2moe", config, trunk, files=shards(rf"\.layers\.{trunk}\."), **options)
    source, block = f"model.layers.{trunk}.", f"blk.{trunk}."
    appended(c, trunk, hidden)
    attention(c, source + "self_attn.", block, hidden, heads, kv_heads, head)
    for name, rows in (("q_proj", heads * head), ("o_proj", hidden)) if biases else ():
        c.store(f"{source}self_attn.{name}.bias", "BF16", np.zeros(rows))
    c.rows(source, block, [
        ("mlp.gate", "ffn_gate_inp", (experts, hidden)),
        (f"mlp.{shared}.gate_proj", "ffn_gate_shexp", (width, hidden)),
        (f"mlp.{shared}.up_proj", "ffn_up_shexp", (width, hidden)),
        (f"mlp.{shared}.down_proj", "ffn_down_shexp", (hidden, width)),
        ("shared_head.norm", "nextn.shared_head_norm", (hidden,)),
    ])
    c.experts(source, block, experts, width, hidden)
    return c.add_trunk(hidden)


def attention(c, source, block, hidden, heads, kv_heads, head, norms=False, gated=False):
    c.rows(source, block, [
        ("q_proj", "attn_q", ((2 if gated else 1) * heads * head, hidden)),
        ("k_proj", "attn_k", (kv_heads * head, hidden)), ("v_proj", "attn_v", (kv_heads * head, hidden)),
        ("o_proj", "attn_output", (hidden, heads * head)),
    ])
    if norms:
        c.rows(source, block, [("q_norm", "attn_q_norm", (head,)), ("k_norm", "attn_k_norm", (head,))])


# Nemotron: two layers of the checkpoint, attention and experts, are one block

def interleave_halves(values, heads):
    """Of each attention head's rows, those of the first half and of the second by turns."""
    rows = values.reshape(heads, 2, -1, values.shape[-1])
    return rows.swapaxes(1, 2).reshape(values.shape)


@case("nemotron3-nano")
@case("nemotron3-super", latent=18, trunk_layers="names", bias="e_score_correction.bias")
# A model with eyes: the names begin differently, and the text's config has a name of its own.
@case("nemotron-vl", prefix="language_model.")
def nemotron(latent=None, trunk_layers="letters", bias="e_score_correction_bias", prefix="", hidden=40, heads=6,
             kv_heads=2, head=10, experts=11, width=22, shared=28, kinds="M*E", **options):
    trunk = len(kinds)
    config = {"architectures": ["NemotronHForCausalLM"], "model_type": "nemotron_h", "hidden_size": hidden,
              "num_nextn_predict_layers": 1, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
              "head_dim": head, "intermediate_size": width, "moe_intermediate_size": width,
              "moe_shared_expert_intermediate_size": shared, "n_routed_experts": experts, "num_experts_per_tok": 2,
              "n_shared_experts": 1, "n_group": 1, "topk_group": 1, "norm_topk_prob": True,
              "routed_scaling_factor": 2.5, "mamba_num_heads": 8, "mamba_head_dim": 8, "n_groups": 2,
              "ssm_state_size": 16, "conv_kernel": 4, "expand": 2, "layer_norm_epsilon": 1e-05, "norm_eps": 1e-05,
              "vocab_size": VOCAB, "max_position_embeddings": 4096}
    if trunk_layers == "names":
        names = {"M": "mamba", "*": "attention", "E": "moe"}
        config |= {"layers_block_type": [names[kind] for kind in kinds]}
    else:
        config |= {"num_hidden_layers": trunk, "hybrid_override_pattern": kinds}
    if latent:
        config["moe_latent_size"] = latent
    if prefix:
        config = {"architectures": ["NemotronH_Nano_VL_V2"], "model_type": "NemotronH_Nano_VL_V2",
                  "llm_config": config, "vision_config": {}}
    c = Case("nemotron_h_moe", config, trunk, files=shards(r"mtp\."), **options)
    block = f"blk.{trunk}."
    one, other = f"{prefix}mtp.layers.0.", f"{prefix}mtp.layers.1."
    c.rows(one, block, [
        ("eh_proj", "nextn.eh_proj", (hidden, 2 * hidden)), ("enorm", "nextn.enorm", (hidden,)),
        ("hnorm", "nextn.hnorm", (hidden,)), ("norm", "attn_norm", (hidden,)),
        ("mixer.v_proj", "attn_v", (kv_heads * head, hidden)), ("mixer.o_proj", "attn_output", (hidden, heads * head)),
    ])
    for name, count in (("q", heads), ("k", kv_heads)):
        values = c.make(f"{one}mixer.{name}_proj", (count * head, hidden))
        c.expect(f"{block}attn_{name}", interleave_halves(values, count))
    c.rows(other, block, [
        ("norm", "post_attention_norm", (hidden,)), ("mixer.gate", "ffn_gate_inp", (experts, hidden)),
        (f"mixer.gate.{bias}", "exp_probs_b.bias", (experts,)),
        ("mixer.shared_experts.up_proj", "ffn_up_shexp", (shared, hidden)),
        ("mixer.shared_experts.down_proj", "ffn_down_shexp", (hidden, shared)),
        ("final_layernorm", "nextn.shared_head_norm", (hidden,)),
    ])
    if latent:
        c.rows(other, block, [("mixer.fc1_latent_proj", "ffn_latent_down", (latent, hidden)),
                              ("mixer.fc2_latent_proj", "ffn_latent_up", (hidden, latent))])
    c.experts(other, block, experts, width, latent or hidden, "mixer.experts.{}.{}_proj",
              (("up", "up"), ("down", "down")))
    return c.add_trunk(hidden, f"{prefix}backbone.", "embeddings", "norm_f", prefix + "lm_head", "norm",
                       "mixer.o_proj")


# Ling: latent attention with a gate for each head (3.0), fused attention (2.0)

@case("ling3")
@case("ling3-no-query-rank", q_rank=None)
def ling3(q_rank=26, hidden=40, heads=5, kv_rank=18, nope=12, rope=4, value=14, experts=11, width=24, shared=28,
          head=10, trunk=4, group=2, **options):
    config = {"architectures": ["BailingMoeV3ForCausalLM"], "model_type": "bailing_moe_v3", "hidden_size": hidden,
              "num_hidden_layers": trunk, "num_nextn_predict_layers": 1, "num_attention_heads": heads,
              "num_key_value_heads": 3, "head_dim": head, "q_lora_rank": q_rank, "kv_lora_rank": kv_rank,
              "qk_nope_head_dim": nope, "qk_rope_head_dim": rope, "v_head_dim": value, "layer_group_size": group,
              "intermediate_size": 52, "moe_intermediate_size": width, "moe_shared_expert_intermediate_size": shared,
              "num_experts": experts, "num_experts_per_tok": 2, "num_shared_experts": 1, "first_k_dense_replace": 1,
              "no_kda_lora": True, "kda_safe_gate": True, "kda_lower_bound": -5.0, "short_conv_kernel_size": 4,
              "gated_attention_proj_granularity_type": "head_wise", "routed_scaling_factor": 2.5,
              "norm_topk_prob": True, "expert_swiglu_limit_list": [None] * (trunk - 1) + [7.0],
              "share_expert_swiglu_limit_list": [0.0] * (trunk - 1) + [16.0, 3.0], "vocab_size": VOCAB,
              "rms_norm_eps": 1e-06, "rope_theta": 6_000_000}
    if q_rank is None:
        del config["q_lora_rank"]
    c = Case("bailingmoe3", config, trunk, files=shards(rf"\.layers\.{trunk}\.mlp", rf"\.layers\.{trunk}\."), **options)
    source, block = f"model.layers.{trunk}.", f"blk.{trunk}."
    appended(c, trunk, hidden)
    if q_rank:
        c.rows(source, block, [
            ("attention.q_a_proj", "attn_q_a", (q_rank, hidden)),
            ("attention.q_a_layernorm", "attn_q_a_norm", (q_rank,)),
            ("attention.q_b_proj", "attn_q_b", (heads * (nope + rope), q_rank)),
        ])
    else:
        c.rows(source, block, [("attention.q_proj", "attn_q", (heads * (nope + rope), hidden))])
    c.rows(source, block, [
        ("attention.kv_a_proj_with_mqa", "attn_kv_a_mqa", (kv_rank + rope, hidden)),
        ("attention.kv_a_layernorm", "attn_kv_a_norm", (kv_rank,)),
        ("attention.dense", "attn_output", (hidden, heads * value)),
        ("attention.g_proj", "attn_gate", (heads, hidden)),
        ("post_attention_layernorm", "ffn_norm", (hidden,)),
        ("final_layernorm", "layer_output_norm", (hidden,)),
    ])
    c.kv_b(source, block, heads, nope, value, kv_rank, "attention.kv_b_proj")
    ling_ffn(c, source, block, hidden, experts, width, shared)
    return c.add_trunk(hidden, embedding="word_embeddings", attention="attention.dense")


def ling_ffn(c, source, block, hidden, experts, width, shared):
    c.rows(source + "mlp.", block, [
        ("gate", "ffn_gate_inp", (experts, hidden)), ("gate.expert_bias=", "exp_probs_b.bias", (experts,)),
        ("shared_experts.gate_proj", "ffn_gate_shexp", (shared, hidden)),
        ("shared_experts.up_proj", "ffn_up_shexp", (shared, hidden)),
        ("shared_experts.down_proj", "ffn_down_shexp", (hidden, shared)),
    ])
    c.experts(source, block, experts, width, hidden)


@case("ling2")
def ling2(hidden=40, heads=6, kv_heads=2, head=10, experts=11, width=22, shared=2, trunk=3, **options):
    config = {"architectures": ["BailingMoeV2ForCausalLM"], "model_type": "bailing_moe", "hidden_size": hidden,
              "num_hidden_layers": trunk, "num_nextn_predict_layers": 1, "num_attention_heads": heads,
              "num_key_value_heads": kv_heads, "head_dim": head, "intermediate_size": 52,
              "moe_intermediate_size": width, "num_experts": experts, "num_experts_per_tok": 2,
              "num_shared_experts": shared, "first_k_dense_replace": 1, "routed_scaling_factor": 2.5,
              "norm_topk_prob": True, "vocab_size": VOCAB, "rms_norm_eps": 1e-06, "rope_theta": 600_000}
    c = Case("bailingmoe2", config, trunk, files=shards(rf"\.layers\.{trunk}\."), **options)
    source, block = f"model.layers.{trunk}.", f"blk.{trunk}."
    appended(c, trunk, hidden)
    c.rows(source, block, [
        ("attention.query_key_value", "attn_qkv", ((heads + 2 * kv_heads) * head, hidden)),
        ("attention.query_layernorm", "attn_q_norm", (head,)), ("attention.key_layernorm", "attn_k_norm", (head,)),
        ("attention.dense", "attn_output", (hidden, heads * head)),
        ("post_attention_layernorm", "ffn_norm", (hidden,)), ("final_layernorm", "layer_output_norm", (hidden,)),
    ])
    ling_ffn(c, source, block, hidden, experts, width, shared * width)
    return c.add_trunk(hidden, embedding="word_embeddings", attention="attention.dense")


# DeepSeek-V4, as a checkpoint that was brought to BF16: FP8 and MXFP4 are other cases

@case("deepseek4")
def deepseek4(hidden=40, heads=6, head=10, rope=4, q_rank=26, groups=2, rank=14, experts=11, width=22, streams=4,
              trunk=3, **options):
    config = {"architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4", "hidden_size": hidden,
              "num_hidden_layers": trunk, "num_nextn_predict_layers": 1, "num_attention_heads": heads,
              "num_key_value_heads": 1, "head_dim": head, "qk_rope_head_dim": rope, "q_lora_rank": q_rank,
              "o_groups": groups, "o_lora_rank": rank, "moe_intermediate_size": width, "n_routed_experts": experts,
              "num_experts_per_tok": 2, "n_shared_experts": 1, "num_hash_layers": 1, "swiglu_limit": 10.0,
              "compress_ratios": [0, 4, 128, 4][:trunk] + [0], "compress_rope_theta": 160_000, "sliding_window": 128,
              "hc_mult": streams, "hc_sinkhorn_iters": 20, "hc_eps": 1e-06, "index_n_heads": 3, "index_head_dim": 16,
              "index_topk": 8, "routed_scaling_factor": 1.5, "norm_topk_prob": True, "scoring_func": "sqrtsoftplus",
              "vocab_size": VOCAB, "rms_norm_eps": 1e-06, "rope_theta": 10_000}
    c = Case("deepseek4", config, trunk, files=shards(r"^mtp\."), **options)
    source, block, mix = "mtp.0.", f"blk.{trunk}.", (2 + streams) * streams
    both = [c.make(f"{source}{name}_proj", (hidden, hidden)) for name in "eh"]
    c.expect(block + "nextn.eh_proj", np.concatenate(both, axis=1))
    c.rows(source, block, [
        ("enorm", "nextn.enorm", (hidden,)), ("hnorm", "nextn.hnorm", (hidden,)),
        ("norm", "nextn.shared_head_norm", (hidden,)), ("attn_norm", "attn_norm", (hidden,)),
        ("ffn_norm", "ffn_norm", (hidden,)), ("attn.attn_sink=", "attn_sinks", (heads,)),
        ("attn.wq_a", "attn_q_a", (q_rank, hidden)), ("attn.q_norm", "attn_q_a_norm", (q_rank,)),
        ("attn.wq_b", "attn_q_b", (heads * head, q_rank)), ("attn.wkv", "attn_kv", (head, hidden)),
        ("attn.kv_norm", "attn_kv_a_norm", (head,)),
        ("attn.wo_a", "attn_output_a", (groups * rank, heads * head // groups)),
        ("attn.wo_b", "attn_output_b", (hidden, groups * rank)),
        ("ffn.gate", "ffn_gate_inp", (experts, hidden)), ("ffn.gate.bias", "exp_probs_b.bias", (experts,)),
        ("ffn.shared_experts.w1", "ffn_gate_shexp", (width, hidden)),
        ("ffn.shared_experts.w3", "ffn_up_shexp", (width, hidden)),
        ("ffn.shared_experts.w2", "ffn_down_shexp", (hidden, width)),
    ])
    for part in ("attn", "ffn"):
        c.rows(source, block, [(f"hc_{part}_fn=", f"hc_{part}_fn", (mix, streams * hidden)),
                               (f"hc_{part}_base=", f"hc_{part}_base", (mix,)),
                               (f"hc_{part}_scale=", f"hc_{part}_scale", (3,))])
    c.experts(source, block, experts, width, hidden, "ffn.experts.{}.{}",
              (("w1", "gate"), ("w3", "up"), ("w2", "down")))
    # The head's own mixer, which a sidecar has under the trunk's names.
    c.rows(source, "", [("hc_head_fn=", "output_hc_fn", (streams, streams * hidden)),
                        ("hc_head_base=", "output_hc_base", (streams,)),
                        ("hc_head_scale=", "output_hc_scale", (1,))])
    for name, shape in (("embed", (VOCAB, hidden)), ("norm", (hidden,)), ("head", (VOCAB, hidden)),
                        (f"layers.{trunk - 1}.attn_norm", (hidden,)), ("hc_head_fn=", (streams, streams * hidden))):
        c.make(name, shape)
    return c


# Heads that llama.cpp loads and leaves unused

@case("glm-ocr")
@case("glm-ocr-half-rotated", rotated=0.5)
def glm_ocr(rotated=1.0, hidden=40, heads=6, kv_heads=2, head=12, ffn=52, trunk=3, **options):
    text = {"architectures": ["GlmOcrForConditionalGeneration"], "model_type": "glm_ocr_text", "hidden_size": hidden,
            "num_hidden_layers": trunk, "num_nextn_predict_layers": 1, "num_attention_heads": heads,
            "num_key_value_heads": kv_heads, "head_dim": head, "intermediate_size": ffn, "vocab_size": VOCAB,
            "rms_norm_eps": 1e-05, "rope_parameters": {"rope_type": "default", "rope_theta": 10_000,
                                                       "mrope_section": [2, 2, 2], "partial_rotary_factor": rotated}}
    config = multimodal("GlmOcrForConditionalGeneration", "glm_ocr", text)
    c = Case("glm4", config, trunk, files=shards(rf"\.layers\.{trunk}\."), **options)
    source, block = f"model.language_model.layers.{trunk}.", f"blk.{trunk}."
    appended(c, trunk, hidden, "model.language_model.")
    width = int(head * rotated)
    for name, count in (("q", heads), ("k", kv_heads)):
        values = c.make(f"{source}self_attn.{name}_proj", (count * head, hidden)).reshape(count, head, hidden)
        turned = [values[:, 0:width:2], values[:, 1:width:2], values[:, width:]]
        c.expect(f"{block}attn_{name}", np.concatenate(turned, axis=1).reshape(count * head, hidden))
    c.rows(source, block, [
        ("self_attn.v_proj", "attn_v", (kv_heads * head, hidden)),
        ("self_attn.o_proj", "attn_output", (hidden, heads * head)),
        ("post_self_attn_layernorm", "post_attention_norm", (hidden,)),
        ("post_attention_layernorm", "ffn_norm", (hidden,)), ("post_mlp_layernorm", "post_ffw_norm", (hidden,)),
        ("mlp.gate_up_proj", "ffn_up", (2 * ffn, hidden)), ("mlp.down_proj", "ffn_down", (hidden, ffn)),
        ("shared_head.norm", "nextn.shared_head_norm", (hidden,)),
        ("shared_head.head", "nextn.shared_head_head", (VOCAB, hidden)),
        ("embed_tokens", "nextn.embed_tokens", (VOCAB, hidden)),
    ])
    return c.add_trunk(hidden, "model.language_model.")


# EXAONE has what is of no layer once, for all blocks of a head, and 4.5 can have the layer once too.
@case("k-exaone", "exaone-moe", blocks=2)
@case("exaone45", "exaone4", blocks=1)
@case("exaone45-shared", "exaone4", blocks=2, shared=True)
def exaone(arch, blocks, shared=False, hidden=40, heads=6, kv_heads=2, head=10, ffn=52, experts=11, width=22, trunk=3,
           **options):
    text = {"hidden_size": hidden, "num_hidden_layers": trunk, "num_nextn_predict_layers": blocks,
            "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": head, "intermediate_size": ffn,
            "sliding_window": 4096, "layer_types": ["sliding_attention"] * (trunk - 1) + ["full_attention"],
            "vocab_size": VOCAB, "rms_norm_eps": 1e-05, "rope_theta": 1_000_000}
    if arch == "exaone-moe":
        config = {"architectures": ["ExaoneMoEForCausalLM"], "model_type": "exaone_moe", **text,
                  "num_experts": experts, "num_experts_per_tok": 2, "moe_intermediate_size": width,
                  "num_shared_experts": 1, "first_k_dense_replace": 1, "routed_scaling_factor": 2.5,
                  "norm_topk_prob": True}
    else:
        config = multimodal("Exaone4_5_ForConditionalGeneration", "exaone4_5",
                            {"model_type": "exaone4_5_text", "mtp_share_layers": shared, **text})
    c = Case(arch, config, trunk, blocks, files=shards(r"^mtp\."), **options)
    for name, became, shape in (("fc", "eh_proj", (hidden, 2 * hidden)), ("pre_fc_norm_embedding", "enorm", (hidden,)),
                                ("pre_fc_norm_hidden", "hnorm", (hidden,)), ("norm", "shared_head_norm", (hidden,))):
        values = c.make("mtp." + name, shape)
        for i in range(blocks):
            c.expect(f"blk.{trunk + i}.nextn.{became}", values)
    if arch == "exaone-moe":
        norms = [("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm")]
    else:
        norms = [("post_attention_layernorm", "post_attention_norm"), ("post_feedforward_layernorm", "post_ffw_norm")]
    tensors = [*((name, became, (hidden,)) for name, became in norms),
               ("self_attn.q_proj", "attn_q", (heads * head, hidden)),
               ("self_attn.k_proj", "attn_k", (kv_heads * head, hidden)),
               ("self_attn.v_proj", "attn_v", (kv_heads * head, hidden)),
               ("self_attn.o_proj", "attn_output", (hidden, heads * head)),
               ("self_attn.q_norm", "attn_q_norm", (head,)), ("self_attn.k_norm", "attn_k_norm", (head,)),
               ("mlp.gate_proj", "ffn_gate", (ffn, hidden)), ("mlp.up_proj", "ffn_up", (ffn, hidden)),
               ("mlp.down_proj", "ffn_down", (hidden, ffn))]
    for i in range(1 if shared else blocks):
        for name, became, shape in tensors:
            values = c.make(f"mtp.layers.{i}.{name}", shape)
            for k in range(blocks) if shared else [i]:
                c.expect(f"blk.{trunk + k}.{became}", values)
    return c.add_trunk(hidden, "model." if arch == "exaone-moe" else "model.language_model.",
                       layer_norm="post_attention_layernorm")


@case("dots3note")
@case("dots3note-rescaled", rescaled=True)
def dots3note(rescaled=False, hidden=40, heads=7, q_rank=26, kv_rank=18, nope=12, rope=4, value=14, ffn=52, experts=11,
              width=24, full=(5, 22, 10, 16), trunk=3, **options):
    """The head is one of the blocks that slide: its latent attention has other dimensions than that of the others."""
    full_heads, full_rank, full_nope, full_value = full
    text = {"model_type": "dots3_note_text", "hidden_size": hidden, "num_hidden_layers": trunk,
            "num_nextn_predict_layers": 3, "num_attention_heads": full_heads, "num_key_value_heads": full_heads,
            "head_dim": 30, "q_lora_rank": q_rank, "kv_lora_rank": full_rank, "qk_nope_head_dim": full_nope,
            "qk_rope_head_dim": rope, "v_head_dim": full_value, "swa_num_attention_heads": heads,
            "swa_q_lora_rank": q_rank,
            "swa_kv_lora_rank": kv_rank, "swa_qk_nope_head_dim": nope, "swa_qk_rope_head_dim": rope,
            "swa_v_head_dim": value, "swa_head_dim": nope + rope, "sliding_window_size": 128,
            "layer_types": ["full_attention"] + ["sliding_attention"] * (trunk - 1), "intermediate_size": ffn,
            "moe_intermediate_size": width, "n_routed_experts": experts, "num_experts_per_tok": 2,
            "n_shared_experts": 1, "first_k_dense_replace": 1, "scoring_func": "sigmoid", "topk_method": "noaux_tc",
            "apply_mla_qkv_lora_rescale": rescaled, "index_n_heads": 3, "index_head_dim": 16, "index_topk": 8,
            "routed_scaling_factor": 2.5, "norm_topk_prob": True, "vocab_size": VOCAB, "rms_norm_eps": 1e-06,
            "rope_theta": 10_000}
    config = {"architectures": ["Dots3NoteForCausalLM"], **text, "model_type": "dots3_note"}
    c = Case("dots3note", config, trunk, files=shards(rf"\.layers\.{trunk}\.|^model\.mtp\."), **options)
    source, block = f"model.layers.{trunk}.", f"blk.{trunk}."
    appended(c, trunk, hidden)
    for name, became, rank in (("q_a", "attn_q_a_norm", q_rank), ("kv_a", "attn_kv_a_norm", kv_rank)):
        values = c.make(f"{source}self_attn.{name}_layernorm", (rank,))
        c.expect(block + became, values * np.float32((hidden / rank) ** 0.5) if rescaled else values)
    c.rows(source, block, [
        ("self_attn.q_a_proj", "attn_q_a", (q_rank, hidden)),
        ("self_attn.q_b_proj", "attn_q_b", (heads * (nope + rope), q_rank)),
        ("self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa", (kv_rank + rope, hidden)),
        ("self_attn.o_proj", "attn_output", (hidden, heads * value)),
        ("self_attn.g_proj", "attn_gate", (heads, hidden)),
        ("self_attn.k_rope_only_layernorm", "attn_k_norm", (rope,)),
        ("post_attention_layernorm", "ffn_norm", (hidden,)),
        ("mlp.gate_proj", "ffn_gate", (ffn, hidden)), ("mlp.up_proj", "ffn_up", (ffn, hidden)),
        ("mlp.down_proj", "ffn_down", (hidden, ffn)),
        ("shared_head.norm", "nextn.shared_head_norm", (hidden,)),
    ])
    c.kv_b(source, block, heads, nope, value, kv_rank)
    c.expect(block + "nextn.embed_tokens", c.make("model.mtp.embed_tokens", (VOCAB, hidden)))
    return c.add_trunk(hidden)


# What forks convert: the rules are those of their converters (llama.cpp PR #28243, unsloth's glm5next), read

@case("qwen38-flash")
@case("qwen38-flash-experts", fused=False)
def qwen4exp(fused=True, hidden=40, heads=6, kv_heads=2, head=10, experts=11, width=22, shared=28, streams=4, rank=14,
             index_heads=3, index_head=16, trunk=4, **options):
    text = qwen_text_config("qwen4_exp_text", trunk, hidden, heads, kv_heads, head, mtp_num_hidden_layers=1,
                            num_experts=experts, num_experts_per_tok=2, moe_intermediate_size=width,
                            shared_expert_intermediate_size=shared, hc_count=streams, hc_lowrank=rank,
                            indexer_n_heads=index_heads, indexer_head_dim=index_head, indexer_budget=8,
                            indexer_compress_ratio=4, ple_layer_ids=[],
                            layer_types=["full_attention" if i % 4 == 3 else "linear_attention" for i in range(trunk)])
    config = multimodal("Qwen4ExpForConditionalGeneration", "qwen4_exp", text)
    c = Case("qwen4exp", config, trunk, norms=MINUS_ONE, files=shards(r"^mtp\."), **options)
    block, layer, wide = f"blk.{trunk}.", "mtp.layers.0.", streams * hidden
    both = [c.make(f"mtp.fc_{name}", (hidden, hidden)) for name in ("embedding", "hidden")]
    c.expect(block + "nextn.eh_proj", np.concatenate(both, axis=1))
    c.rows("mtp.", block, [("pre_fc_norm_embedding", "nextn.enorm", (hidden,)),
                           ("pre_fc_norm_hidden", "nextn.hnorm", (wide,))])
    for source, became in (("mtp.hyper_connection_mixer.", "nextn.hc_head"),
                           (layer + "attn_hyper_connection.", "hc_attn"), (layer + "mlp_hyper_connection.", "hc_ffn")):
        c.rows(source, block, [("hc_norm", became + "_norm", (wide,)),
                               ("input_mix_weight_down", became + "_down", (rank, wide)),
                               ("input_mix_weight_up", became + "_up", (wide, rank))])
        if became != "nextn.hc_head":
            c.rows(source, block, [("block_inject_weight", became + "_inject", (streams, wide))])
    attention(c, layer + "self_attn.", block, hidden, heads, kv_heads, head, norms=True, gated=True)
    queries = index_heads * index_head
    indexer = c.make(layer + "self_attn.indexer.index_qk_proj", (queries + index_head, hidden))
    c.expect(block + "indexer.q_proj", indexer[:queries])
    c.expect(block + "indexer.k_proj", indexer[queries:])
    c.rows(layer + "self_attn.indexer.", block + "indexer.", [("q_layernorm", "q_norm", (index_head,)),
                                                              ("k_layernorm", "k_norm", (index_head,))])
    qwen_experts(c, layer, block, hidden, experts, width, shared, fused)
    return c.add_trunk(hidden, "model.language_model.", norm="hyper_connection_mixer.hc_norm",
                       layer_norm="attn_hyper_connection.hc_norm")


@case("glm53-flash")
def glm5next(hidden=40, heads=5, q_rank=26, kv_rank=18, nope=12, value=14, experts=11, width=24, index_heads=7,
             index_head=16, pool=4, trunk=3, **options):
    text = {"model_type": "glm5_next_text", "hidden_size": hidden, "num_hidden_layers": trunk,
            "num_nextn_predict_layers": 1, "num_attention_heads": heads, "num_key_value_heads": heads,
            "head_dim": 9, "q_lora_rank": q_rank, "kv_lora_rank": kv_rank, "qk_nope_head_dim": nope,
            "qk_rope_head_dim": 0, "v_head_dim": value, "intermediate_size": 52, "moe_intermediate_size": width,
            "n_routed_experts": experts, "num_experts_per_tok": 2, "n_shared_experts": 1, "first_k_dense_replace": 1,
            "layer_types": ["linear_attention"] * (trunk - 1) + ["deepseek_sparse_attention"], "swiglu_limit": 10.0,
            "index_n_heads": index_heads, "index_head_dim": index_head, "index_topk": 8, "index_kpool": pool,
            "hc_mult": 4, "vocab_size": VOCAB, "rms_norm_eps": 1e-05}
    config = multimodal("Glm5NextForConditionalGeneration", "glm5_next", text)
    c = Case("glm5next", config, trunk, files=shards(rf"\.layers\.{trunk}\."), **options)
    prefix = "model.language_model."
    source, block = f"{prefix}layers.{trunk}.", f"blk.{trunk}."
    appended(c, trunk, hidden, prefix)
    latent_attention(c, source, block, hidden, heads, q_rank, kv_rank, nope, 0, value)
    indexer_rows(c, source, block, hidden, q_rank, index_heads, index_head)
    c.rows(source + "self_attn.indexer.", block, [
        ("index_kpool_compress_gate=", "indexer_compressor_gate", (index_head, hidden)),
        ("index_kpool_compress_ape=", "indexer_compressor_ape", (pool, index_head)),
    ])
    routed_ffn(c, trunk, hidden, experts, width, width, prefix)
    return c.add_trunk(hidden, prefix)


def main():
    importlib.import_module("make_quantised")  # has more cases
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases to write; all if none is named")
    arguments = parser.parse_args()
    check_numbers()
    for name in arguments.names or CASES:
        CASES[name]().write(arguments.output, name)


if __name__ == "__main__":
    sys.modules["make_checkpoints"] = sys.modules["__main__"]
    main()
