#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tiny Hugging Face checkpoints of every family with an MTP head, and for each the head as GGUF.

DIR/NAME/ holds config.json and safetensors files, named and sharded as such models are published; DIR/NAME.gguf holds
the tensors that llama.cpp's convert_hf_to_gguf.py makes of the head, and the keys that tell their dimensions. Shares
no code with the program under test. Within a case the dimensions differ from each other, so that swapped ones show.
"""

import argparse
import json
import re
import struct
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

# These end a tensor's name; every other name in the tables lacks its ".weight".
WHOLE_NAME = (".bias", "_bias", ".experts.gate_up_proj", ".experts.down_proj", "exp_probs_b")
KEPT_IN_F32 = ("e_score_correction_bias", "expert_bias")
# What publishers leave in BF16 when the rest is FP8: vocabulary, routers, the projection of the head's input.
NEVER_FP8 = re.compile(r"mtp\.fc|eh_proj|mlp\.gate$|shared_expert_gate|shared_head|lm_head|embed_tokens|weights_proj")


def full(name):
    return name if name.endswith(WHOLE_NAME) else name + ".weight"


class Case:
    """`files`: (pattern of tensor names, file that holds them), the first match counts."""

    def __init__(self, arch, config, trunk, blocks=1, dtype="BF16", norms=PLAIN, fp8=None, scales="F32",
                 files=(("", "model.safetensors"),)):
        self.arch, self.config, self.trunk, self.blocks = arch, config, trunk, blocks
        self.dtype, (self.norm, self.added), self.fp8, self.scales, self.files = dtype, norms, fp8, scales, files
        self.tensors = {}   # name -> (dtype, raw array)
        self.expected = []  # Tensor
        self.random = np.random.default_rng(1)
        if fp8:
            config["quantization_config"] = {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
                                             "weight_block_size": list(fp8)}

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
            return self.store(whole, "F32" if name.endswith(KEPT_IN_F32) else self.dtype,
                              self.random.normal(0, 0.3, shape))
        if self.fp8 and not NEVER_FP8.search(name):
            return self.store_f8(whole, shape)
        return self.store(whole, self.dtype, self.random.normal(0, 0.05, shape))

    def expect(self, name, values):
        """The converter's types: F32 for vectors, norms, routers and what is no weight, else that of the checkpoint."""
        name = full(name)
        as_f32 = (values.ndim == 1 or name.endswith("_norm.weight") or "ffn_gate_inp" in name
                  or name.endswith("indexer.proj.weight") or not name.endswith(".weight"))
        dtype = "F32" if as_f32 else self.dtype
        self.expected.append(Tensor(name, values.shape[::-1], {"F32": F32, "F16": F16, "BF16": BF16}[dtype],
                                    ENCODE[dtype](values).tobytes()))

    def rows(self, source, block, table):
        """`table`: (name after `source`, name after `block`, shape)."""
        for name, became, shape in table:
            self.expect(block + became, self.make(source + name, shape))

    def experts(self, source, block, count, width, hidden):
        """One matrix for each expert, stacked. From ten experts on, the order of names is not that of numbers."""
        for name, shape in (("gate", (width, hidden)), ("up", (width, hidden)), ("down", (hidden, width))):
            stack = [self.make(f"{source}mlp.experts.{k}.{name}_proj", shape) for k in range(count)]
            self.expect(f"{block}ffn_{name}_exps", np.stack(stack))

    def kv_b(self, source, block, heads, nope, value, rank):
        """Split for llama.cpp's MLA: keys transposed for each head, values as they are."""
        both = self.make(source + "self_attn.kv_b_proj", (heads * (nope + value), rank))
        both = both.reshape(heads, nope + value, rank)
        self.expect(block + "attn_k_b", both[:, :nope].transpose(0, 2, 1))
        self.expect(block + "attn_v_b", both[:, nope:])

    def add_trunk(self, hidden, prefix="model."):
        """Tensors that are no part of the head, the last block's among them."""
        last = f"{prefix}layers.{self.trunk - 1}."
        for name, shape in ((prefix + "embed_tokens", (VOCAB, hidden)), (prefix + "norm", (hidden,)),
                            ("lm_head", (VOCAB, hidden)), (prefix + "layers.0.input_layernorm", (hidden,)),
                            (last + "input_layernorm", (hidden,)), (last + "self_attn.o_proj", (hidden, 16))):
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
    config, blocks = c.config.get("text_config", c.config), c.trunk + c.blocks
    keys = {"block_count": (U32, blocks), "nextn_predict_layers": (U32, c.blocks)}
    keys |= {key: (U32, next(config[name] for name in names if name in config)) for key, names in COUNTS.items()
             if any(name in config for name in names)}
    theta = config.get("rope_theta", config.get("rope_parameters", {}).get("rope_theta"))
    if isinstance(theta, list):
        theta = theta[0]
    if theta:
        keys["rope.freq_base"] = (F32_VALUE, theta)
    if epsilon := config.get("rms_norm_eps", config.get("layernorm_epsilon")):
        keys["attention.layer_norm_rms_epsilon"] = (F32_VALUE, epsilon)
    if "kv_lora_rank" in config:
        rank, rotated = config["kv_lora_rank"], config["qk_rope_head_dim"]
        # Multi-head latent attention becomes attention with one, larger, key and value head.
        keys |= {"attention.head_count_kv": (U32, 1), "attention.q_lora_rank": (U32, config["q_lora_rank"]),
                 "attention.kv_lora_rank": (U32, rank), "attention.key_length": (U32, rank + rotated),
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
    return keys


def spread(scales, block, shape):
    """Each scale over its block, cut to the matrix."""
    return scales.repeat(block[0], 0).repeat(block[1], 1)[:shape[0], :shape[1]]


def case(name, *arguments, **options):
    """Registers the decorated function under `name`, to be called with the arguments. May be used several times."""
    def register(make):
        CASES[name] = lambda: make(*arguments, **options)
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
    return c.add_trunk(hidden, trunk_prefix)


# GLM, DeepSeek: the head is the block after the last

def appended(c, n, hidden):
    c.rows(f"model.layers.{n}.", f"blk.{n}.", [
        ("eh_proj", "nextn.eh_proj", (hidden, 2 * hidden)), ("enorm", "nextn.enorm", (hidden,)),
        ("hnorm", "nextn.hnorm", (hidden,)), ("input_layernorm", "attn_norm", (hidden,)),
    ])


def routed_ffn(c, n, hidden, experts, width, shared):
    source, block = f"model.layers.{n}.", f"blk.{n}."
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


@case("glm47flash", "deepseek2", "Glm4MoeLiteForCausalLM", "glm4_moe_lite",
      files=shards(r"\.layers\.3\.self_attn", r"\.layers\.3\."))
@case("glm5", "glm-dsa", "GlmMoeDsaForCausalLM", "glm_moe_dsa", indexer=True, hidden=48,
      files=shards(r"\.layers\.3\..*experts\.(0|5|10)\.", r"\.layers\.3\."))
@case("deepseek32", "deepseek32", "DeepseekV32ForCausalLM", "deepseek_v32", indexer=True, own_vocab=True, hidden=136,
      q_rank=130, kv_rank=34, heads=6, fp8=(128, 128), files=shards(r"\.layers\.3\."))
def mla(arch, architecture, model_type, indexer=False, own_vocab=False, hidden=40, q_rank=26, kv_rank=18, heads=5,
        **options):
    trunk, nope, rope, value, experts, width, index_heads, index_head = 3, 12, 4, 14, 11, 24, 7, 16
    config = {"architectures": [architecture], "model_type": model_type, "hidden_size": hidden,
              "num_hidden_layers": trunk, "num_nextn_predict_layers": 1, "num_attention_heads": heads,
              "num_key_value_heads": heads, "q_lora_rank": q_rank, "kv_lora_rank": kv_rank, "qk_nope_head_dim": nope,
              "qk_rope_head_dim": rope, "v_head_dim": value, "intermediate_size": 52, "moe_intermediate_size": width,
              "n_routed_experts": experts, "n_shared_experts": 1, "first_k_dense_replace": 1, "vocab_size": VOCAB,
              "rms_norm_eps": 1e-05, "rope_parameters": {"rope_theta": 1_000_000, "rope_type": "default"}}
    if indexer:
        config |= {"index_n_heads": index_heads, "index_head_dim": index_head, "index_topk": 8}
    c = Case(arch, config, trunk, **options)
    source, block = f"model.layers.{trunk}.", f"blk.{trunk}."
    appended(c, trunk, hidden)
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
    if indexer:
        c.rows(source + "self_attn.indexer.", block + "indexer.", [
            ("wk", "attn_k", (index_head, hidden)), ("wq_b", "attn_q_b", (index_heads * index_head, q_rank)),
            ("k_norm", "k_norm", (index_head,)), ("k_norm.bias", "k_norm.bias", (index_head,)),
            ("weights_proj", "proj", (index_heads, hidden)),
        ])
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
              "topk_method": "noaux_tc", "add_swa_attention_sink_bias": True, "layernorm_epsilon": 1e-06,
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
def step35():
    trunk, blocks, hidden, heads, kv_heads, head, ffn = 4, 3, 40, 6, 2, 10, 56
    config = {"architectures": ["Step3p5ForCausalLM"], "model_type": "step3p5", "hidden_size": hidden,
              "num_hidden_layers": trunk, "num_nextn_predict_layers": blocks, "num_attention_heads": 4,
              "num_attention_groups": 1, "head_dim": head, "intermediate_size": ffn, "vocab_size": VOCAB,
              "layer_types": ["full_attention"] + ["sliding_attention"] * 6, "moe_layers_enum": "1,2,3",
              "partial_rotary_factors": [0.5] + [1.0] * 6, "moe_num_experts": 3, "moe_intermediate_size": 12,
              "share_expert_dim": 14, "rms_norm_eps": 1e-06, "rope_theta": [5_000_000.0] + [10_000.0] * 6,
              "swiglu_limits": [0.0, 0.0, 7.0, None, 0.0, 5.0, 0.0],
              "swiglu_limits_shared": [0.0, 16.0, 0.0, 0.0, 0.0, 0.0, 12.0],
              "attention_other_setting": {"attention_type": "sliding_attention", "num_attention_heads": heads,
                                          "num_attention_groups": kv_heads, "head_dim": head}}
    c = Case("step35", config, trunk, blocks, norms=MINUS_ONE, files=shards(r"\.layers\.[45]\.", r"\.layers\.6\."))
    for n in range(trunk, trunk + blocks):
        appended(c, n, hidden)
        c.rows(f"model.layers.{n}.", f"blk.{n}.", [
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
    return c.add_trunk(hidden)


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases to write; all if none is named")
    arguments = parser.parse_args()
    check_numbers()
    for name in arguments.names or CASES:
        CASES[name]().write(arguments.output, name)


if __name__ == "__main__":
    main()
